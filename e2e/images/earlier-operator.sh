#!/usr/bin/env bash
# Builds the operator of an earlier release, whose tree is in FOLDER, by today's Dockerfile and locks, as IMAGE.
#
# Usage: earlier-operator.sh FOLDER IMAGE, after scripts/images.sh, whose base and wheels it takes.
set -euo pipefail
cd "$(dirname "$0")/../.."

context=$1 image=$2
docker image inspect "$image" >/dev/null 2>&1 && exit 0
# The release had no images yet.
cp -r Dockerfile.operator build "$context"
mkdir -p "$context/requirements"
cp requirements/*.txt "$context/requirements"
base=$(bash scripts/base-image.sh | tail -n 1)
DOCKER_BUILDKIT=0 nice docker build -q -f "$context/Dockerfile.operator" -t "$image" \
  --network none --build-arg WHEELS=build/wheels --build-arg BASE_IMAGE="$base" "$context" >&2
