#!/usr/bin/env bash
# A three-node kind cluster called headrace, with the operator installed by its chart.
#
#   cluster.sh up      make it, or bring the one that is there up to date; prints what to set and what to try next
#   cluster.sh down    delete it, with its containers and volumes
#
# Exit codes: 2 when the machine or the arguments won't do (one line says why), 1 when a step fails.
set -euo pipefail
cd "$(dirname "$0")/.."

name=headrace
kubeconfig=${HEADRACE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/headrace}/$name.kubeconfig

die() { echo "cluster.sh: $*" >&2; exit 2; }
say() { echo "cluster: $*" >&2; }
# Quiet while it works; all that it said when it doesn't.
quietly() { local said; said=$("$@" 2>&1) || { echo "$said" >&2; say "failed: $*"; exit 1; }; }
exists() { kind get clusters 2>/dev/null | grep -qx $name; }

up() {
  local image images=(headrace-operator:dev headrace-worker:dev headrace-example-code-index:v1)
  bash scripts/images.sh >/dev/null
  mkdir -p "$(dirname "$kubeconfig")"
  if exists; then
    kind export kubeconfig --name $name --kubeconfig "$kubeconfig" --quiet
  else
    image=$(bash e2e/node/build.sh | tail -n 1)
    say "making three nodes: about a minute"
    quietly kind create cluster --name $name --image "$image" --config e2e/kind/three-nodes.yaml \
      --kubeconfig "$kubeconfig" --wait 120s
  fi
  say "loading ${images[*]}"
  quietly kind load docker-image --name $name "${images[@]}"
  export KUBECONFIG=$kubeconfig
  say "installing charts/headrace"
  # What was set since stays, such as valkey.enabled.
  quietly helm upgrade --install headrace charts/headrace --namespace headrace --create-namespace \
    --reset-then-reuse-values --set watchAll=true --set image.tag=dev \
    --set-string podAnnotations.image="$(image_id)" --wait --timeout 180s
  cat <<END
export KUBECONFIG=$kubeconfig${programs:+ PATH=$programs\$PATH}
kubectl get pods --all-namespaces
helm test headrace --namespace headrace
END
}

# The tag stays what it is when the image changes: this makes helm replace the pods.
image_id() { docker image inspect --format '{{.Id}}' headrace-operator:dev; }

down() {
  exists || { say "there is no cluster $name"; return; }
  quietly kind delete cluster --name $name --kubeconfig "$kubeconfig"
  rm -f "$kubeconfig"
}

[[ $# == 1 ]] || die "say up or down"
case $1 in
  up | down)
    DOCKER_HOST=$(bash e2e/docker/start.sh | tail -n 1)
    programs=$(bash e2e/programs.sh)
    PATH=$programs$PATH
    export DOCKER_HOST PATH
    "$1"
    ;;
  *) die "unknown command: $1; say up or down" ;;
esac
