# Sourced by the build.sh beside each go.mod: builds the programs that go.mod has a `tool` line for.
#
# What was built before is kept, by version and recipe, in ${HEADRACE_CACHE:-~/.cache/headrace}.
# Exit codes: 2 when the machine or the arguments won't do (one line says why), 1 when the build fails.

here=$(cd "$(dirname "$0")" && pwd)
go_needed=1.24

die() { echo "e2e/$(basename "$here")/$(basename "$0"): $*" >&2; exit 2; }

# One import path a line.
packages() { sed -n 's/^tool \([^(].*\)/\1/p; /^tool (/,/^)/{s/^\t//p}' "$here/go.mod"; }

# The file that `go build` makes of a package is called by its path, a major version left out.
built_as() { basename "${1%/v[0-9]}"; }

# The program's usual name: as it is built, except for etcd, whose package is called server.
name_of() { case $1 in go.etcd.io/etcd/server/v3) echo etcd ;; *) built_as "$1" ;; esac; }

known_names() { local package; for package in $(packages); do name_of "$package"; done; }

package_of() {
  local package
  for package in $(packages); do
    if [[ $(name_of "$package") == "$1" ]]; then echo "$package"; return; fi
  done
  die "no program '$1' in $here/go.mod; known: $(known_names | paste -sd ' ')"
}

# The version that go.mod has of a module.
module_version() {
  local version
  version=$(sed -n "s|^.*\b$1 \(v[0-9.]*\).*$|\1|p" "$here/go.mod")
  [[ -n $version ]] || die "no version of $1 in $here/go.mod"
  echo "$version"
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

missing() { local bin=$1 name; shift; for name in "$@"; do [[ -x $bin/$name ]] || echo "$name"; done; }

compile() { # folder for the programs, linker flags, names
  local bin=$1 flags=$2 name wanted=(); shift 2
  for name in "$@"; do wanted+=("$(package_of "$name")"); done
  work=$(mktemp -d "$bin.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  (cd "$here" && CGO_ENABLED=0 nice go build -mod=readonly -trimpath -buildvcs=false -ldflags "-s -w $flags" \
    -o "$work/" "${wanted[@]}") >&2
  for name in "$@"; do
    # The same filesystem: a program is there whole or not at all.
    mv "$work/$(built_as "$(package_of "$name")")" "$bin/$name"
  done
}

# Builds what is missing of the names (none given: of all) and prints the folder they are in as its last line.
build_programs() { # version, linker flags, names
  local version=$1 flags=$2 name recipe root wanted; shift 2
  if [[ $# == 0 ]]; then mapfile -t wanted < <(known_names); set -- "${wanted[@]}"; fi
  for name in "$@"; do package_of "$name" >/dev/null; done
  recipe=$(cat "$here/go.mod" "$here/build.sh" "${BASH_SOURCE[0]}" | sha256sum | cut -c 1-12)
  root=${HEADRACE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/headrace}/$(basename "$here")/$version-$recipe
  if [[ -n $(missing "$root/bin" "$@") ]]; then
    find_go
    mkdir -p "$root/bin"
    exec 9>"$root/lock"
    flock 9 # a second run waits here and then finds the work done
    mapfile -t wanted < <(missing "$root/bin" "$@")
    if [[ ${#wanted[@]} -gt 0 ]]; then
      echo "building ${wanted[*]} ($version): some minutes the first time" >&2
      rm -rf "$root"/bin.* # what a killed run left
      compile "$root/bin" "$flags" "${wanted[@]}"
    fi
    exec 9>&-
  fi
  echo "$root/bin"
}
