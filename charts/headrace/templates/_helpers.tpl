{{- define "headrace.name" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "headrace.account" -}}
{{- .Values.serviceAccount.name | default (include "headrace.name" .) -}}
{{- end -}}

{{- define "headrace.selector" -}}
app.kubernetes.io/name: headrace-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "headrace.labels" -}}
{{ include "headrace.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- /* The namespaces with WorkerQueues, the release's own first, separated by spaces. */ -}}
{{- define "headrace.namespaces" -}}
{{- prepend .Values.watchNamespaces .Release.Namespace | uniq | join " " -}}
{{- end -}}

{{- /* What the operator may do wherever it watches. No wildcards; it never lists Secrets nor deletes pods. */ -}}
{{- define "headrace.rules" -}}
- apiGroups: [headrace.dev]
  resources: [workerqueues]
  verbs: [get, list, watch, patch]
- apiGroups: [headrace.dev]
  resources: [workerqueues/status]
  verbs: [update]
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, watch, create, delete]
- apiGroups: [apps]
  resources: [deployments/scale]
  verbs: [patch]
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch, patch]
- apiGroups: [""]
  resources: [secrets]
  verbs: [get]
- apiGroups: [""]
  resources: [events]
  verbs: [create]
{{- end -}}
