#!/usr/bin/env bash
# Ends the Docker daemon that start.sh started, with its containers; images stay. Any other daemon is left alone.
set -euo pipefail

home=${HEADRACE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/headrace}/docker
pid=$(cat "$home/dockerd.pid" 2>/dev/null || true)
# The number in a file may have become somebody else's after a reboot.
if [[ -z $pid ]] || ! tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -qF -- "--pidfile $home/dockerd.pid"; then
  echo "stop.sh: no daemon of start.sh runs" >&2
  exit 0
fi
kill -TERM "$pid"
for _ in $(seq 480); do
  kill -0 "$pid" 2>/dev/null || exit 0
  sleep 0.25
done
echo "stop.sh: dockerd ($pid) did not end within two minutes" >&2
exit 1
