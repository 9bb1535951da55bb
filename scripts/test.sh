#!/usr/bin/env bash
# Every test that this machine can run. As root it installs what is missing; otherwise it says what it leaves out.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { echo "test: $*" >&2; }

install() { # package, for what
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    say "installing $1 ($2)"
    [ -n "${apt_updated:-}" ] || { apt-get update -qq && apt_updated=1; }
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$1" >/dev/null
  else
    say "left out: $2; it needs $1 and this user can't install it"
    [ "${CI:-}" != true ] || exit 1
  fi
}

# Debian starts a server that it installs; the tests start their own.
if ! command -v redis-server >/dev/null; then
  policy=/usr/sbin/policy-rc.d
  if [ "$(id -u)" = 0 ] && [ ! -e $policy ]; then printf '#!/bin/sh\nexit 101\n' >$policy && chmod +x $policy && made=1; fi
  install redis-server "the engine on Redis itself, beside the embedded Valkey"
  [ -z "${made:-}" ] || rm -f $policy
fi

if bash e2e/kubernetes/build.sh etcd kube-apiserver kube-controller-manager kube-scheduler kubectl >/dev/null; then
  say "the Kubernetes programs are ready"
else
  say "left out: the tests on a real API server (see the line above)"
  [ "${CI:-}" != true ] || exit 1
fi

if bash e2e/helm/build.sh >/dev/null; then
  say "helm is ready"
else
  say "left out: the tests of the chart (see the line above)"
  [ "${CI:-}" != true ] || exit 1
fi

exec .venv/bin/python -m pytest "$@"
