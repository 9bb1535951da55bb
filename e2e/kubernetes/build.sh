#!/usr/bin/env bash
# Builds Kubernetes' own programs from the modules that go.mod names; prints the folder they are in as its last line.
#
#   build.sh                        every program that go.mod has a `tool` line for
#   build.sh etcd kube-apiserver    just these
#
# What was built before is kept, by version and recipe, in ${HEADRACE_CACHE:-~/.cache/headrace}/kubernetes.
# Exit codes: 2 when the machine or the arguments won't do (one line says why), 1 when the build fails.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
go_needed=1.24

die() { echo "build.sh: $*" >&2; exit 2; }

# One import path a line.
packages() { sed -n '/^tool (/,/^)/{s/^\t//p}' "$here/go.mod"; }

# The program's usual name: the path's last element, except for etcd, whose package is called server.
name_of() { case $1 in go.etcd.io/etcd/server/v3) echo etcd ;; *) basename "$1" ;; esac; }

known_names() { local package; for package in $(packages); do name_of "$package"; done; }

package_of() {
  local package
  for package in $(packages); do
    if [[ $(name_of "$package") == "$1" ]]; then echo "$package"; return; fi
  done
  die "no program '$1' in $here/go.mod; known: $(known_names | paste -sd ' ')"
}

at_least() { [[ $(printf '%s\n' "$2" "$1" | sort -V | head -n 1) == "$2" ]]; }

# Debian's package, only where it is new enough to be of use: an old one would cost minutes for nothing.
install_go() {
  local advice="install Go $go_needed or newer and put it on PATH" candidate
  [[ $(id -u) == 0 && -n $(type -P apt-get) ]] || die "no Go here: $advice"
  apt-get -qq update >&2 || die "no Go here, and apt-get update failed: $advice"
  candidate=$(apt-cache policy golang-go | sed -n 's/^ *Candidate: \([0-9]*:\)\{0,1\}\([0-9.]*\).*/\2/p')
  at_least "${candidate:-0}" "$go_needed" || die "no Go here, and apt has only ${candidate:-none}: $advice"
  apt-get -qq install -y --no-install-recommends golang-go >&2 || die "no Go here, and apt-get failed: $advice"
}

find_go() {
  type -P go >/dev/null || PATH=$PATH:/usr/local/go/bin
  type -P go >/dev/null || install_go
  local version
  version=$(go env GOVERSION)
  at_least "${version#go}" "$go_needed" || die "Go ${version#go} is too old: install $go_needed or newer"
}

# The file that `go build` makes of a package is called by its path, a major version left out.
built_as() { local package; package=$(package_of "$1"); echo "${package%/v[0-9]}"; }

missing() { local name; for name in "$@"; do [[ -x $bin/$name ]] || echo "$name"; done; }

build() {
  local work=$1 minor name packages=(); shift
  minor=${version#v1.}; minor=${minor%%.*}
  local stamp=k8s.io/component-base/version
  local flags="-s -w -X $stamp.gitVersion=$version -X $stamp.gitMajor=1 -X $stamp.gitMinor=$minor"
  for name in "$@"; do packages+=("$(package_of "$name")"); done
  echo "building $* ($version): some minutes the first time" >&2
  (cd "$here" && CGO_ENABLED=0 nice go build -mod=readonly -trimpath -buildvcs=false -ldflags "$flags" \
    -o "$work/" "${packages[@]}") >&2
  for name in "$@"; do
    # The same filesystem: a program is there whole or not at all.
    mv "$work/$(basename "$(built_as "$name")")" "$bin/$name"
  done
}

version=$(sed -n 's/^.*k8s\.io\/kubernetes \(v[0-9.]*\).*$/\1/p' "$here/go.mod")
[[ -n $version ]] || die "no version of k8s.io/kubernetes in $here/go.mod"
recipe=$(cat "$here/go.mod" "$here/build.sh" | sha256sum | cut -c 1-12)
root=${HEADRACE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/headrace}/kubernetes/$version-$recipe
bin=$root/bin

[[ $# -gt 0 ]] || mapfile -t all < <(known_names)
[[ $# -gt 0 ]] || set -- "${all[@]}"
for name in "$@"; do package_of "$name" >/dev/null; done

if [[ -n $(missing "$@") ]]; then
  find_go
  mkdir -p "$bin"
  exec 9>"$root/lock"
  flock 9  # a second run waits here and then finds the work done
  mapfile -t wanted < <(missing "$@")
  if [[ ${#wanted[@]} -gt 0 ]]; then
    rm -rf "$root"/build.*  # what a killed run left
    work=$(mktemp -d "$root/build.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    build "$work" "${wanted[@]}"
  fi
fi
echo "$bin"
