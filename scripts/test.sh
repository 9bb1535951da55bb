#!/usr/bin/env bash
# Every test that this machine can run, in lanes side by side; with arguments, pytest with those. As root it installs
# what is missing; otherwise it says what it leaves out.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { echo "test: $*" >&2; }

leave_out() { # what, why
  say "left out: $1 ($2)"
  [ "${CI:-}" != true ] || exit 1
}

# Debian starts the servers that it installs; the tests start their own.
install() { # package, for what
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    leave_out "$2" "it needs $1 and this user can't install it"
    return
  fi
  say "installing $1 ($2)"
  local policy=/usr/sbin/policy-rc.d made=
  [ -e $policy ] || { printf '#!/bin/sh\nexit 101\n' >$policy && chmod +x $policy && made=1; }
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$1" >/dev/null
  [ -z "$made" ] || rm -f $policy
}

command -v redis-server >/dev/null || install redis-server "the engine on Redis itself, beside the embedded Valkey"
{ command -v promtool && command -v prometheus; } >/dev/null || install prometheus "metrics, alerts and dashboard"

if bash e2e/kubernetes/build.sh etcd kube-apiserver kube-controller-manager kube-scheduler kubectl >/dev/null; then
  say "the Kubernetes programs are ready"
else
  leave_out "the tests on a real API server" "see the line above"
fi
if bash e2e/helm/build.sh >/dev/null; then
  say "helm is ready"
else
  leave_out "the tests of the chart" "see the line above"
fi
if bash scripts/images.sh --e2e >/dev/null; then
  say "Docker and the images are ready"
else
  leave_out "the tests of the images" "see the line above"
fi
if bash e2e/programs.sh >/dev/null && bash e2e/node/build.sh >/dev/null; then
  say "kind and its nodes' image are ready"
else
  leave_out "the tests on a cluster" "see the line above"
fi

(($#)) && exec .venv/bin/python -m pytest "$@"
exec .venv/bin/python -m tests.lanes
