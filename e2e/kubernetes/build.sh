#!/usr/bin/env bash
# Builds Kubernetes' own programs from the modules that go.mod names; prints the folder they are in as its last line.
#
#   build.sh                        every program that go.mod has a `tool` line for
#   build.sh etcd kube-apiserver    just these
set -euo pipefail
source "$(dirname "$0")/../go_programs.sh"

version=$(module_version k8s.io/kubernetes)
minor=${version#v1.} minor=${minor%%.*}
flags=
for part in gitVersion="$version" gitMajor=1 gitMinor="$minor"; do
  flags+=" -X k8s.io/component-base/version.$part"
done
build_programs "$version" "$flags" "$@"
