#!/usr/bin/env bash
# Builds helm from the module that go.mod names; prints the folder it is in as its last line.
set -euo pipefail
source "$(dirname "$0")/../go_programs.sh"

version=$(module_version helm.sh/helm/v3)
# As helm's own releases do: the Kubernetes that it renders for without a cluster is its client's.
minor=$(module_version k8s.io/client-go) minor=${minor#v0.} minor=${minor%%.*}
flags="-X helm.sh/helm/v3/internal/version.version=$version"
for part in lint/rules chartutil; do
  flags+=" -X helm.sh/helm/v3/pkg/$part.k8sVersionMajor=1 -X helm.sh/helm/v3/pkg/$part.k8sVersionMinor=$minor"
done
build_programs "$version" "$flags" "$@"
