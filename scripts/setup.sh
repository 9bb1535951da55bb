#!/usr/bin/env bash
# Makes .venv from the hashed lock. Installs nothing outside the checkout but, as root on Debian, Python's venv module.
set -euo pipefail
cd "$(dirname "$0")/.."

die() { echo "setup: $*" >&2; exit 2; }

python=${PYTHON:-python3}
command -v "$python" >/dev/null || die "no $python on PATH; install Python 3.11 or newer"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
  die "$("$python" --version) is too old; headrace needs Python 3.11 or newer (set PYTHON=…)"

if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
  [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || die "Python has no venv module; install python3-venv"
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y python3-venv >/dev/null
fi

[ -x .venv/bin/python ] || "$python" -m venv .venv
echo "setup: installing the locked dependencies into .venv"
.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/lock.txt
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
