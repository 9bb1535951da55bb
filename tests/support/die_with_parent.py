"""A launcher: `python die_with_parent.py PARENT_PID program arg…` is a program that dies with its parent.

Owns only that one kernel flag, so that no test run, however it ended, leaves servers behind. Linux only; a
script of its own because code between fork and exec in a process with threads may deadlock.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Set the flag, then exec; exit at once if the parent went before the flag was set."""
    parent, program = int(sys.argv[1]), sys.argv[2:]
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        sys.exit(f"prctl: {os.strerror(ctypes.get_errno())}")
    if os.getppid() != parent:
        sys.exit("the parent is gone")
    os.execv(program[0], program)


if __name__ == "__main__":
    main()
