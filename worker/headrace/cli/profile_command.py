"""`headrace profile`: samples the stacks of the worker on this machine, for a flame graph."""

from __future__ import annotations

import argparse
import socket
import sys
from collections.abc import Sequence

from headrace.cli.drain_command import MARGIN, find_socket
from headrace.errors import QueueUnavailableError
from headrace.worker.profiler import LONGEST
from headrace.worker.settings import parse_duration


def main(argv: Sequence[str]) -> int:
    """Prints folded stacks. Raises ConfigError for a wrong duration, QueueUnavailableError for no answer."""
    made = argparse.ArgumentParser(prog="headrace profile", description="See what a running worker spends its time on.")
    made.add_argument("--for", dest="duration", default="5s", help=f"how long to look, at most {LONGEST:g}s")
    made.add_argument("--socket", help="the worker's control socket (HEADRACE_CONTROL_SOCKET)")
    arguments = made.parse_args(argv)
    seconds = min(parse_duration(arguments.duration), LONGEST)
    path = arguments.socket or find_socket()
    try:
        with socket.socket(socket.AF_UNIX) as wire:
            wire.settimeout(seconds + MARGIN)
            wire.connect(path)
            wire.sendall(f"profile {seconds:g}\n".encode())
            for line in wire.makefile():
                sys.stdout.write(line)
    except OSError as error:
        raise QueueUnavailableError(f"no answer from the worker at {path}: {error.strerror or error}") from None
    return 0
