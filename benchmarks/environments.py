"""A cached virtual environment for each engine, made from its hashed lock, outside the checkout.

headrace itself runs from the environment that runs the benchmark.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.catalogue import Engine
from benchmarks.failures import BenchError

PATIENCE = 600
"""Seconds for one environment."""


def cache_root() -> Path:
    """HEADRACE_CACHE, else the user's cache directory."""
    if given := os.environ.get("HEADRACE_CACHE"):
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "headrace"


def python_of(engine: Engine) -> Path:
    """The interpreter of the engine's environment, which is made if it isn't there. Raises BenchError."""
    if not engine.own_environment:
        return Path(sys.executable)
    return environment(engine.name, engine.directory / "requirements.txt")


def environment(name: str, lock: Path) -> Path:
    """The interpreter of an environment with exactly what `lock` names. Raises BenchError."""
    fingerprint = hashlib.sha256(lock.read_bytes() + sys.version.encode()).hexdigest()[:12]
    home = cache_root() / "bench" / f"{name}-{fingerprint}"
    python = home / "bin" / "python"
    complete = home / ".complete"
    if not complete.exists():
        print(f"bench: installing {name} into {home}", file=sys.stderr)
        shutil.rmtree(home, ignore_errors=True)
        _run(name, sys.executable, "-m", "venv", str(home))
        _run(name, str(python), "-m", "pip", "install", "--quiet", "--require-hashes", "-r", str(lock))
        complete.touch()
    return python


def _run(name: str, *command: str) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        raise BenchError(f"the environment of {name} was not ready within {PATIENCE} s") from None
    except subprocess.CalledProcessError as error:
        last = (error.stderr or error.stdout or "no output").strip().splitlines()[-1]
        raise BenchError(f"the environment of {name} can't be made: {last}") from None
