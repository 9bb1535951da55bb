"""What this machine can't do is said aloud: a skipped test, and a failed one where CI=true. Runs the set-up scripts.

The scripts' exit codes are the judgement: 2 is a machine that won't do, with one line that says why; any other code
but 0 is a fault and fails everywhere.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import NoReturn

import pytest

ROOT = Path(__file__).resolve().parents[2]
UNFIT = 2


class ScriptError(Exception):
    """A set-up script broke off; the message ends with the last lines of what it said."""


def leave_out(said: str) -> NoReturn:
    """Skip the test that asks, or fail it where CI=true."""
    if os.environ.get("CI") == "true":
        pytest.fail(said, pytrace=False)
    pytest.skip(said)


def run_script(path: str, *arguments: str, seconds: float) -> str:
    """The last line that the script at `path`, below the checkout, prints. Raises ScriptError."""
    try:
        done = subprocess.run(
            ["bash", str(ROOT / path), *arguments], capture_output=True, text=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired as exc:
        raise ScriptError(f"{path} took more than {seconds:g} s") from exc
    said = done.stderr.strip().splitlines() or [f"{path} exited with {done.returncode}"]
    if done.returncode == UNFIT:
        leave_out(said[-1])
    if done.returncode != 0:
        raise ScriptError("\n".join([f"{path} failed:", *said[-10:]]))
    return (done.stdout.splitlines() or [""])[-1]
