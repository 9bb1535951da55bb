{{- define "headrace.name" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else if contains .Chart.Name .Release.Name -}}
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
{{ include "headrace.origin" . }}
{{- end -}}

{{- /* What the labels of all parts have in common. */ -}}
{{- define "headrace.origin" -}}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- /* The namespaces with WorkerQueues, the release's own first, separated by spaces. */ -}}
{{- define "headrace.namespaces" -}}
{{- prepend .Values.watchNamespaces .Release.Namespace | uniq | join " " -}}
{{- end -}}

{{- define "headrace.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{- /* The operator's settings, the same for the check that `helm test` runs. */ -}}
{{- define "headrace.env" -}}
- name: HEADRACE_CLUSTER_NAME
  value: {{ .Values.clusterName | quote }}
- name: WATCH_NAMESPACES
  value: {{ ternary "*" (include "headrace.namespaces" . | replace " " ",") .Values.watchAll | quote }}
- name: HEADRACE_WORKER_IMAGE
  value: {{ .Values.workerImage | quote }}
- name: ALLOWED_REDIS_HOSTS
  value: {{ include "headrace.redisHosts" . | quote }}
- name: AUDIT_SECONDS
  value: {{ .Values.auditSeconds | quote }}
- name: LOG_LEVEL
  value: {{ .Values.logLevel }}
- name: LEASE_NAME
  value: {{ include "headrace.name" . }}
- name: POD_NAMESPACE
  valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
- name: POD_NAME
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
- name: METRICS_PORT
  value: "8080"
{{- end -}}

{{- /* Empty for any; the bundled Valkey is allowed wherever something is. */ -}}
{{- define "headrace.redisHosts" -}}
{{- $hosts := .Values.allowedRedisHosts -}}
{{- if and $hosts .Values.valkey.enabled -}}
{{- $hosts = append $hosts (include "headrace.valkeyHost" .) -}}
{{- end -}}
{{- $hosts | uniq | join "," -}}
{{- end -}}

{{- define "headrace.valkey" -}}
{{ include "headrace.name" . }}-valkey
{{- end -}}

{{- define "headrace.valkeyHost" -}}
{{ include "headrace.valkey" . }}.{{ .Release.Namespace }}.svc
{{- end -}}

{{- define "headrace.valkeySecret" -}}
{{- .Values.valkey.existingSecret | default (include "headrace.valkey" .) -}}
{{- end -}}

{{- define "headrace.valkeySelector" -}}
app.kubernetes.io/name: headrace-valkey
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "headrace.valkeyLabels" -}}
{{ include "headrace.valkeySelector" . }}
{{ include "headrace.origin" . }}
{{- end -}}

{{- /* Refuse a value whose kind the cluster doesn't have: a list of the root, the kind and the value's name. */ -}}
{{- define "headrace.needs" -}}
{{- $root := index . 0 -}}
{{- $kind := index . 1 -}}
{{- if not ($root.Capabilities.APIVersions.Has $kind) -}}
{{- $advice := "install the Prometheus operator's CRDs first, or turn it off" -}}
{{- fail (printf "%s: this cluster has no %s; %s (helm template: --api-versions %s)" (index . 2) $kind $advice $kind) -}}
{{- end -}}
{{- end -}}

{{- /* What the operator may do wherever it watches. No wildcards; it never lists Secrets nor deletes pods. */ -}}
{{- define "headrace.rules" -}}
- apiGroups: [headrace.dev]
  resources: [workerqueues, schedules]
  verbs: [get, list, watch, patch]
- apiGroups: [headrace.dev]
  resources: [workerqueues/status, schedules/status]
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
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [secrets]
  verbs: [get]
- apiGroups: [""]
  resources: [events]
  verbs: [create]
{{- end -}}
