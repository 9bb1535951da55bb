#!/usr/bin/env bash
# Prints what to put before PATH to have kind, kubectl and helm: `PATH=$(bash e2e/programs.sh)$PATH`.
#
# Those on PATH are used; the others are built here, which takes minutes the first time.
# Exit codes: 2 when the machine won't do (one line says why), 1 when a build fails.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

found=
build() { found+=$(bash "$here/$1/build.sh" "$2" | tail -n 1):; } # folder with its go.mod, program

# Kubernetes supports a kubectl that is at most one minor version away.
kubectl_fits() {
  local has wants
  has=$(kubectl version --client --output=json 2>/dev/null | sed -n 's/^.*"minor": "\([0-9]*\).*$/\1/p')
  wants=$(sed -n 's|^.*k8s\.io/kubernetes v1\.\([0-9]*\)\..*$|\1|p' "$here/kubernetes/go.mod")
  ((${has:-0} >= wants - 1 && ${has:-0} <= wants + 1))
}

type -P kind >/dev/null || build kind kind
type -P helm >/dev/null || build helm helm
{ type -P kubectl >/dev/null && kubectl_fits; } || build kubernetes kubectl
echo "$found"
