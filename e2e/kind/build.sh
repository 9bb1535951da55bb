#!/usr/bin/env bash
# Builds kind, Kubernetes nodes as containers, from the module that go.mod names; prints the folder it is in.
set -euo pipefail
source "$(dirname "$0")/../go_programs.sh"

build_programs "$(module_version sigs.k8s.io/kind)" "" "$@"
