#!/usr/bin/env bash
# Builds the operator of a past release, by today's Dockerfile and locks; prints the image's name.
#
# Usage: old-operator.sh TAG, after scripts/images.sh, whose base and wheels it takes.
# Exit codes: 2 when the clone doesn't have that tag (one line says so), 1 when the build fails.
set -euo pipefail
cd "$(dirname "$0")/../.."

tag=$1 image=headrace-operator:$1
git rev-parse -q --verify "$tag^{commit}" >/dev/null ||
  { echo "old-operator.sh: this clone has no $tag; fetch the tags" >&2; exit 2; }
if ! docker image inspect "$image" >/dev/null 2>&1; then
  context=$(mktemp -d)
  trap 'rm -rf "$context"' EXIT
  git archive "$tag" | tar -x -C "$context"
  # The release had no images yet.
  cp -r Dockerfile.operator build "$context"
  cp requirements/*.txt "$context/requirements"
  base=$(bash scripts/base-image.sh | tail -n 1)
  DOCKER_BUILDKIT=0 nice docker build -q -f "$context/Dockerfile.operator" -t "$image" \
    --build-arg BASE_IMAGE="$base" "$context" >&2
fi
echo "$image"
