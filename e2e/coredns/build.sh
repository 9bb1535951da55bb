#!/usr/bin/env bash
# Builds CoreDNS, of the version that kubeadm asks for, from the module that go.mod names; prints the folder it is in.
set -euo pipefail
source "$(dirname "$0")/../go_programs.sh"

build_programs "$(module_version github.com/coredns/coredns)" "" "$@"
