#!/usr/bin/env bash
# Fills build/wheels with what the images' locks name, downloaded by the base image's own Python: image builds need no
# network then, and nothing of this machine's set-up for pip (index, certificates) gets into an image.
#
# Usage: wheels.sh BASE_IMAGE. Kept by locks and base in ${HEADRACE_CACHE:-~/.cache/headrace}/images.
set -euo pipefail
cd "$(dirname "$0")/.."

base=$1
locks=(requirements/build.txt requirements/worker.txt requirements/operator.txt examples/code-index/requirements.txt)
cache=${HEADRACE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/headrace}/images

key=$({ cat "${locks[@]}"; docker image inspect --format '{{.Id}}' "$base"; } | sha256sum | cut -c 1-12)
[[ $(cat build/wheels/KEY 2>/dev/null) != "$key" ]] || exit 0

kept=$cache/wheels-$key
if [[ ! -e $kept ]]; then
  mkdir -p "$cache"
  new=$(mktemp -d "$cache/wheels.XXXXXX")
  trap 'rm -rf "$new"' EXIT
  options=(-e PIP_DISABLE_PIP_VERSION_CHECK=1 -e PIP_INDEX_URL -e PIP_EXTRA_INDEX_URL -e HTTP_PROXY -e HTTPS_PROXY -e NO_PROXY)
  authorities=${PIP_CERT:-/etc/ssl/certs/ca-certificates.crt}
  [[ ! -e $authorities ]] || options+=(-e PIP_CERT=/authorities.pem -v "$authorities:/authorities.pem:ro")
  for lock in "${locks[@]}"; do
    options+=(-v "$PWD/$lock:/locks/${lock//\//-}:ro")
  done
  echo "downloading the images' wheels" >&2
  docker run --rm --network host "${options[@]}" -v "$new:/wheels" "$base" sh -ec '
    python3 -m venv /pip
    for lock in /locks/*; do
      /pip/bin/pip download -q --no-deps --only-binary :all: --require-hashes -r "$lock" -d /wheels
    done'
  echo "$key" >"$new/KEY"
  chmod 755 "$new"
  mv "$new" "$kept"
fi
rm -rf build/wheels
mkdir -p build
cp -r "$kept" build/wheels
