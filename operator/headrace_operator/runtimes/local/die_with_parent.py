"""A launcher: `python die_with_parent.py PARENT SIGNAL program arg…` is a program that gets SIGNAL when PARENT dies.

Owns only that one kernel flag, so that even `kill -9` leaves nothing behind. On Linux; elsewhere the program is run
without it. A script of its own, since code between fork and exec in a process with threads may deadlock.
"""

from __future__ import annotations

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Set the flag, then become the program; exit at once if the parent went before the flag was set."""
    parent, number, program = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    if sys.platform == "linux" and ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, number, 0, 0, 0) != 0:
        sys.exit(f"prctl: {os.strerror(ctypes.get_errno())}")
    if os.getppid() != parent:
        sys.exit("the parent is gone")
    os.execv(program[0], program)  # noqa: S606


if __name__ == "__main__":
    main()
