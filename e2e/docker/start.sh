#!/usr/bin/env bash
# Makes sure that a Docker daemon answers; prints the DOCKER_HOST to use as its last line.
#
# A daemon that answers already is used as it is. Else, as root on Debian, this installs docker.io and starts dockerd
# by hand; data, log and pid file are in ${HEADRACE_CACHE:-~/.cache/headrace}/docker. stop.sh ends that daemon, no other.
# Exit codes: 2 when the machine won't do (one line says why), 1 when the daemon fails to start.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
home=${HEADRACE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/headrace}/docker
socket=unix:///var/run/docker.sock

die() { echo "start.sh: $*" >&2; exit 2; }

answers() { timeout 20 docker version --format '{{.Server.Version}}' >/dev/null 2>&1; }

host() { echo "${DOCKER_HOST:-$(docker context inspect --format '{{.Endpoints.docker.Host}}' 2>/dev/null || echo $socket)}"; }

# Debian starts the servers that it installs; the daemon that the tests use is started below, with options of its own.
add() { # packages
  local policy=/usr/sbin/policy-rc.d made= code=0
  [[ -e $policy ]] || { printf '#!/bin/sh\nexit 101\n' >$policy && chmod +x $policy && made=1; }
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@"; } >&2 || code=$?
  [[ -z $made ]] || rm -f $policy
  return $code
}

# Where root may not raise limits, runc fails on any container that asks for every capability: leave that one out.
runtime() {
  local bounding
  bounding=0x$(sed -n 's/^CapBnd:[[:space:]]*//p' /proc/self/status)
  ((bounding >> 24 & 1)) && return
  install -m 755 "$here/runc-without-sys-resource.sh" "$home/runc"
  printf '%s\n' --add-runtime "bounded=$home/runc" --default-runtime bounded
}

# A daemon that was killed leaves its pid files, and the numbers in them may be anybody's by now.
forget() { # pid file, program
  local pid
  pid=$(cat "$1" 2>/dev/null) || return 0
  [[ $(cat "/proc/$pid/comm" 2>/dev/null) = "$2" ]] || rm -f "$1"
}

if type -P docker >/dev/null && answers; then
  host
  exit
fi
[[ -z ${DOCKER_HOST:-} || $DOCKER_HOST = "$socket" ]] || die "no Docker daemon answers at DOCKER_HOST=$DOCKER_HOST"
[[ $(uname -s) = Linux && $(id -u) = 0 ]] || die "no Docker daemon answers, and only root on Linux can start one here"

mkdir -p "$home"
exec 9>"$home/lock"
flock 9  # a second run waits here and then finds the daemon
if ! { type -P docker >/dev/null && answers; }; then
  if ! type -P dockerd iptables >/dev/null; then
    type -P apt-get >/dev/null || die "no Docker daemon answers and there is no dockerd; install Docker"
    echo "installing Debian's docker.io" >&2
    add docker.io iptables || die "no Docker daemon answers, and apt-get can't install docker.io (see above)"
  fi
  echo "starting dockerd (log: $home/dockerd.log)" >&2
  mapfile -t options < <(runtime)
  rm -f /var/run/docker.sock
  forget "$home/dockerd.pid" dockerd
  forget /run/headrace-docker/containerd/containerd.pid containerd
  # The lock is this script's, not the daemon's.
  setsid nohup dockerd --host $socket --data-root "$home/data" --exec-root /run/headrace-docker \
    --pidfile "$home/dockerd.pid" "${options[@]}" </dev/null >"$home/dockerd.log" 2>&1 9>&- &
  for _ in $(seq 240); do
    answers && break
    kill -0 $! 2>/dev/null || break
    sleep 0.25
  done
  answers || { tail -n 5 "$home/dockerd.log" >&2; echo "start.sh: dockerd did not start" >&2; exit 1; }
fi
echo $socket
