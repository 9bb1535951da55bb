"""`headrace worker --reload`: a new worker when a source file changes; the old one drains first."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from headrace.errors import ConfigError


def run_with_reload(argv: Sequence[str]) -> int:
    """Run `headrace worker` as a child, again after each change below the current directory. Raises ConfigError."""
    if find_spec("watchfiles") is None:
        raise ConfigError("--reload needs watchfiles: pip install headrace[dev]")
    from watchfiles import PythonFilter, watch

    command = [sys.executable, "-m", "headrace", "worker", *argv]
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # either signal ends the child, too
    child = subprocess.Popen(command)
    try:
        for _ in watch(Path.cwd(), watch_filter=PythonFilter(), raise_interrupt=True):
            _end(child)
            child = subprocess.Popen(command)
    except KeyboardInterrupt:
        return 0
    finally:
        _end(child)
    return 0


def _end(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        child.send_signal(signal.SIGTERM)
    child.wait()
