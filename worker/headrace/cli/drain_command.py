"""`headrace drain`: the preStop hook. Asks the worker on this machine to go quiet and waits for its jobs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from headrace.cli.control_socket import ask, find_socket
from headrace.cli.exit_codes import ExitCode
from headrace.errors import ConfigError, HeadraceError, QueueUnavailableError
from headrace.worker.settings import parse_duration


def main(argv: Sequence[str]) -> int:
    """Exit code 0 when the worker holds no job any more or the grace is over, 2 for a mistake, 1 for no worker."""
    made = argparse.ArgumentParser(prog="headrace drain", description="Let a worker finish its jobs and claim no more.")
    made.add_argument("--grace", default="30s", help="how long to wait, e.g. 30s")
    made.add_argument("--socket", help="the worker's control socket (HEADRACE_CONTROL_SOCKET)")
    arguments = made.parse_args(argv)
    try:
        grace = parse_duration(arguments.grace)
        drain(arguments.socket or find_socket(), grace)
    except ConfigError as error:
        return _complain(error, ExitCode.MISTAKE)
    except HeadraceError as error:
        return _complain(error, ExitCode.FAILED)
    return 0


def _complain(error: HeadraceError, code: int) -> int:
    print(f"headrace drain: {error}", file=sys.stderr)  # noqa: T201
    return code


def drain(path: str, grace: float) -> None:
    """Print the worker's progress until it is drained or gives up. Raises QueueUnavailableError for no answer."""
    words = [""]
    for line in ask(path, f"drain {grace:.3f}", grace):
        words = line.split()
        print(_say(words, grace), flush=True)  # noqa: T201
    if words[0] not in ("drained", "gave-up"):
        raise QueueUnavailableError(f"the worker at {path} ended before it had drained")


def _say(words: list[str], grace: float) -> str:
    match words:
        case ["running", count]:
            return f"draining, {count} jobs in hand"
        case ["drained"]:
            return "drained"
        case ["gave-up", count]:
            return f"gave up after {grace:g} s with {count} jobs in hand; SIGTERM will give them back"
        case _:
            return " ".join(words)
