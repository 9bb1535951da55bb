"""Runs the set-up scripts. Their exit codes are the judgement on this machine.

2 is a machine that won't do, with one line that says why; any other code but 0 is a fault.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
UNFIT = 2


class ScriptError(Exception):
    """A set-up script broke off; the message ends with the last lines of what it said."""


class MachineUnfitError(Exception):
    """This machine won't do; the message says why."""


def run_script(path: str, *arguments: str, seconds: float) -> str:
    """The last line that the script at `path`, below the checkout, prints. Raises ScriptError, MachineUnfitError."""
    try:
        done = subprocess.run(
            ["bash", str(ROOT / path), *arguments],
            # What it starts and builds outlives this run: its folder for temporary files isn't theirs, nor a chroot's.
            env={name: value for name, value in os.environ.items() if name != "TMPDIR"},
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as exc:
        raise ScriptError(f"{path} took more than {seconds:g} s") from exc
    said = done.stderr.strip().splitlines() or [f"{path} exited with {done.returncode}"]
    if done.returncode == UNFIT:
        raise MachineUnfitError(said[-1])
    if done.returncode != 0:
        raise ScriptError("\n".join([f"{path} failed:", *said[-10:]]))
    return (done.stdout.splitlines() or [""])[-1]
