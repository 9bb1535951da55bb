#!/usr/bin/env bash
# Builds headrace-worker, headrace-operator and the example's image; with --e2e also those that the tests on clusters
# run. Each gets the version as its tag, and `dev`. Repeats are fast: layers and wheels are kept.
# Exit codes: 2 when the machine won't do (one line says why), 1 when a build fails.
set -euo pipefail
cd "$(dirname "$0")/.."

case "$*" in
  '' | --e2e) ;;
  *) echo "images.sh: unknown arguments: $*; the only option is --e2e" >&2; exit 2 ;;
esac

DOCKER_HOST=$(bash e2e/docker/start.sh | tail -n 1)
export DOCKER_HOST
cache=${HEADRACE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/headrace}/images
mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9  # a second run waits here and then finds the layers

version=$(sed -n 's/^version = "\(.*\)"$/\1/p' pyproject.toml)
base=$(bash scripts/base-image.sh | tail -n 1)
bash scripts/wheels.sh "$base"

build() { # Dockerfile, image, tag, options
  local file=$1 image=$2 tag=$3 log=$cache/$2.log
  echo "building $image:$tag" >&2
  # The builder that every Docker has; nothing here needs another one.
  DOCKER_BUILDKIT=0 nice docker build --force-rm -f "$file" -t "$image:$tag" -t "$image:dev" "${@:4}" . >"$log" 2>&1 ||
    { tail -n 20 "$log" >&2; echo "images.sh: $image can't be built (log: $log)" >&2; exit 1; }
}

offline=(--network none --build-arg WHEELS=build/wheels)
ours=("${offline[@]}" --build-arg BASE_IMAGE="$base" --build-arg VERSION="$version")
build Dockerfile.worker headrace-worker "$version" "${ours[@]}"
build Dockerfile.operator headrace-operator "$version" "${ours[@]}"
build examples/code-index/Dockerfile headrace-example-code-index v1 "${offline[@]}" \
  --build-arg WORKER_IMAGE="headrace-worker:$version"
if [[ ${1:-} = --e2e ]]; then
  build e2e/images/Dockerfile.load headrace-e2e "$version" --build-arg CODE_INDEX_IMAGE=headrace-example-code-index:v1
  build e2e/images/Dockerfile.redis headrace-redis "$version" --build-arg BASE_IMAGE="$base"
fi
docker image ls --filter 'reference=headrace-*:dev' --format '{{.Repository}}  {{.Size}}'
