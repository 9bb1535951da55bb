"""The `headrace` command: finds the verb, runs it, turns errors into one line and an exit code.

`worker`, `drain` and `dlq list` are dispatched before the parser is imported, since their start-up counts. Of the
others only the file of the verb is imported, and other packages are asked for verbs only when it is none of ours.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence

from headrace.cli.exit_codes import ExitCode
from headrace.errors import HeadraceError, UsageError


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line (default: the process's own) and return the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        code = _find_verb(arguments)(arguments[1:])
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except BrokenPipeError:  # `headrace jobs … | head`: the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.DONE
    except HeadraceError as error:
        print(f"headrace: {error}", file=sys.stderr)  # noqa: T201
        return ExitCode.MISTAKE if isinstance(error, UsageError) else ExitCode.FAILED


def _find_verb(arguments: Sequence[str]) -> Callable[[Sequence[str]], int]:
    match arguments[0] if arguments else "":
        case "worker":
            from headrace.cli.worker_command import main as run_worker

            return run_worker
        case "drain":
            from headrace.cli.drain_command import main as run_drain

            return run_drain
        case "profile":
            from headrace.cli.profile_command import main as run_profile

            return run_profile
        case "dlq" if arguments[1:2] == ["list"]:
            return _find_list(arguments)
        case verb:
            return _find_other(verb, arguments)


def _find_list(arguments: Sequence[str]) -> Callable[[Sequence[str]], int]:
    from headrace.cli.letter_list import short_way

    run = short_way(arguments[2:])
    return _find_other("dlq", arguments) if run is None else lambda _: run() or 0


def _find_other(verb: str, arguments: Sequence[str]) -> Callable[[Sequence[str]], int]:
    from headrace.cli.app import OWN, run

    if verb not in OWN:
        from headrace.cli.external import find_external

        if found := find_external(verb):
            return found

    return lambda _: run(arguments)
