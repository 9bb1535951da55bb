"""Code in an interpreter of its own: what it imports, and what it says where something can't be imported."""

from __future__ import annotations

import subprocess
import sys


def run_fresh(code: str) -> str:
    """What it prints. Raises CalledProcessError when it fails, its traceback in the test's output."""
    return subprocess.run(
        [sys.executable, "-c", code], check=True, timeout=60, stdout=subprocess.PIPE, text=True
    ).stdout
