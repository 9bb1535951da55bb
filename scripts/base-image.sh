#!/usr/bin/env bash
# Finds an image with Python to build on; prints its name as its last line.
#
# BASE_IMAGE if that is set; else the Dockerfiles' default, where Docker has it or can pull it; else an image of Debian
# packages alone (debootstrap, as root on Debian), kept as a tarball in ${HEADRACE_CACHE:-~/.cache/headrace}/images.
# Exit codes: 2 when the machine won't do (one line says why), 1 when the build fails.
set -euo pipefail
cd "$(dirname "$0")/.."

suite=bookworm
packages=python3,python3-venv,ca-certificates,tzdata
default=$(sed -n 's/^ARG BASE_IMAGE=//p' Dockerfile.worker)
cache=${HEADRACE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/headrace}/images

die() { echo "base-image.sh: $*" >&2; exit 2; }

if [[ -n ${BASE_IMAGE:-} ]]; then
  echo "$BASE_IMAGE"
  exit
fi
# Asking for the manifest first: a registry that doesn't answer costs seconds, a slow one gets its time.
if docker image inspect "$default" >/dev/null 2>&1 ||
  { timeout 15 docker manifest inspect "$default" >/dev/null 2>&1 && docker pull -q "$default" >&2; }; then
  echo "$default"
  exit
fi
echo "Docker can't pull $default here: images are built on Debian $suite's own packages" >&2

recipe=$(echo "$suite $packages" | sha256sum | cut -c 1-12)
image=headrace-base:$suite-$recipe
if docker image inspect $image >/dev/null 2>&1; then
  echo $image
  exit
fi

mkdir -p "$cache"
tarball=$cache/$suite-$recipe.tar
if [[ ! -e $tarball ]]; then
  [[ $(id -u) = 0 ]] && type -P apt-get >/dev/null || die "can't pull $default, and only root on Debian can make a base"
  if ! type -P debootstrap >/dev/null; then
    { apt-get update -qq && apt-get install -qq -y --no-install-recommends debootstrap; } >&2 ||
      die "can't pull $default, and apt-get can't install debootstrap (see above)"
  fi
  root=$(mktemp -d "$cache/root.XXXXXX")
  trap 'rm -rf --one-file-system "$root"' EXIT
  echo "debootstrap $suite: about a minute" >&2
  nice debootstrap --variant=minbase --include=$packages $suite "$root" >"$cache/debootstrap.log" ||
    { tail -n 5 "$cache/debootstrap.log" >&2; exit 1; }
  rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/var/log/* "$root"/usr/share/{doc,man,info,locale}/*
  nice tar -C "$root" -cf "$tarball.new" .
  mv "$tarball.new" "$tarball"
fi
docker import --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' "$tarball" $image >/dev/null
docker tag $image headrace-base:$suite
echo $image
