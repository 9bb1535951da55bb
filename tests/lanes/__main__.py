"""`python -m tests.lanes [--only LANE,…] [--at-once N] [--list] [--weigh]`: all tests, several pytests at once."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from functools import partial
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from lanes.account import Account  # noqa: E402
from lanes.run import Run  # noqa: E402
from lanes.split import divide, known_weights, suite_files, write_weights  # noqa: E402


def main() -> int:
    """See Run.play for the exit code."""
    made = argparse.ArgumentParser(prog="python -m tests.lanes", description="All tests, in lanes side by side.")
    made.add_argument("--only", default="", help="these lanes, comma-separated")
    made.add_argument("--at-once", type=int, default=len(os.sched_getaffinity(0)) + 1, help="lanes; default: cores + 1")
    made.add_argument("--list", action="store_true", help="say which lane has which files, and end")
    made.add_argument(
        "--weigh",
        action="store_true",
        help="remember what each file took, for the next split, in lanes that came to their end",
    )
    arguments = made.parse_args()
    files = suite_files(ROOT)
    chosen = divide(files, known_weights())
    if arguments.only:
        only, names = set(arguments.only.split(",")), [lane.name for lane in chosen]
        if unknown := only - set(names):
            made.error(f"unknown: {', '.join(sorted(unknown))} (choose from {', '.join(names)})")
        chosen = [lane for lane in chosen if lane.name in only]
    if arguments.at_once < 1:
        made.error("--at-once: must be 1 or more")
    if arguments.list:
        for lane in chosen:
            print(f"{lane.name}: {lane.seconds:.0f} s", *lane.files, sep="\n  ")
        return 0
    account = Account(partial(print, flush=True))
    code, verdicts = asyncio.run(Run(chosen, account, at_once=arguments.at_once).play())
    if arguments.weigh:
        whole = [verdict.record.seconds for verdict in verdicts if not verdict.trouble]
        write_weights({file: took for seconds in whole for file, took in seconds.items()}, files)
    return code


if __name__ == "__main__":
    sys.exit(main())
