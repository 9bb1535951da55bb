"""`headrace profile`: samples the stacks of the worker on this machine, for a flame graph."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from headrace.cli.control_socket import ask, find_socket
from headrace.worker.profiler import LONGEST
from headrace.worker.settings import parse_duration


def main(argv: Sequence[str]) -> int:
    """Prints folded stacks. Raises ConfigError for a wrong duration, QueueUnavailableError for no answer."""
    made = argparse.ArgumentParser(prog="headrace profile", description="See what a running worker spends its time on.")
    made.add_argument("--for", dest="duration", default="5s", help=f"how long to look, at most {LONGEST:g}s")
    made.add_argument("--socket", help="the worker's control socket (HEADRACE_CONTROL_SOCKET)")
    arguments = made.parse_args(argv)
    seconds = min(parse_duration(arguments.duration), LONGEST)
    for line in ask(arguments.socket or find_socket(), f"profile {seconds:g}", seconds):
        sys.stdout.write(line)
    return 0
