#!/usr/bin/env bash
# Builds helm from the module that go.mod names; prints the folder it is in as its last line.
#
# What was built before is kept, by version and recipe, in ${HEADRACE_CACHE:-~/.cache/headrace}/helm.
# Exit codes: 2 when the machine won't do (one line says why), 1 when the build fails.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
package=helm.sh/helm/v3/cmd/helm

die() { echo "build.sh: $*" >&2; exit 2; }

version=$(sed -n 's/^.*helm\.sh\/helm\/v3 \(v[0-9.]*\).*$/\1/p' "$here/go.mod")
[[ -n $version ]] || die "no version of helm.sh/helm/v3 in $here/go.mod"
recipe=$(cat "$here/go.mod" "$here/build.sh" | sha256sum | cut -c 1-12)
root=${HEADRACE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/headrace}/helm/$version-$recipe

if [[ ! -x $root/bin/helm ]]; then
  type -P go >/dev/null || PATH=$PATH:/usr/local/go/bin
  type -P go >/dev/null || die "no Go here: e2e/kubernetes/build.sh installs it where it can"
  mkdir -p "$root/bin"
  exec 9>"$root/lock"
  flock 9  # a second run waits here and then finds the work done
  if [[ ! -x $root/bin/helm ]]; then
    echo "building helm ($version): a minute or two the first time" >&2
    # As helm's own releases do: the Kubernetes that it renders for without a cluster is its client's.
    minor=$(sed -n 's/^.*k8s\.io\/client-go v0\.\([0-9]*\)\..*$/\1/p' "$here/go.mod")
    flags="-s -w -X helm.sh/helm/v3/internal/version.version=$version"
    for part in lint/rules chartutil; do
      flags+=" -X helm.sh/helm/v3/pkg/$part.k8sVersionMajor=1 -X helm.sh/helm/v3/pkg/$part.k8sVersionMinor=$minor"
    done
    (cd "$here" && CGO_ENABLED=0 nice go build -mod=readonly -trimpath -buildvcs=false -ldflags "$flags" \
      -o "$root/helm.new" "$package") >&2
    # The same filesystem: the program is there whole or not at all.
    mv "$root/helm.new" "$root/bin/helm"
  fi
fi
echo "$root/bin"
