"""The `headrace` command: finds the verb, runs it, turns errors into one line and an exit code.

Start-up counts: `worker` and `drain` have parsers of their own, a line that is right goes through the quick parser, and
only what that does not understand waits for the full one. Other packages are asked for verbs that are none of ours.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final, NoReturn

from headrace.cli.exit_codes import ExitCode
from headrace.errors import HeadraceError, UsageError

COMPLETION: Final = "_HEADRACE_COMPLETE"
"""The variable by which a shell's script asks for completions."""


def run() -> NoReturn:
    """The installed command: `main`, and the end of the process.

    Of a verb it is the end at once, once all is written: to take an interpreter apart lasts a tenth of what it shows.
    """
    for closed in [name for name in ("stdout", "stderr") if getattr(sys, name) is None]:
        setattr(sys, closed, open(os.devnull, "w"))  # noqa: SIM115
    code = main()
    if _is_verb(sys.argv[1:]):
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError):  # it has been said by then
                stream.flush()
        os._exit(code)
    sys.exit(code)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line (default: the process's own) and return the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        code = find_run(arguments)()
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except BrokenPipeError:  # `headrace jobs … | head`: the reader has seen enough
        _drop_output()
        return ExitCode.DONE
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        _drop_output()
        print(f"headrace: {error.filename or 'the output'} can't be written: {error.strerror}", file=sys.stderr)  # noqa: T201
        return ExitCode.FAILED
    except HeadraceError as error:
        print(f"headrace: {error}", file=sys.stderr)  # noqa: T201
        return ExitCode.MISTAKE if isinstance(error, UsageError) else ExitCode.FAILED


def _drop_output() -> None:
    """What could not be written is not tried again at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def find_run(arguments: Sequence[str]) -> Callable[[], int]:
    """What runs that line."""
    rest = arguments[1:]
    match arguments[0] if arguments else "":
        case "worker":
            from headrace.cli.worker_command import main as run_worker

            return lambda: run_worker(rest)
        case "drain":
            from headrace.cli.drain_command import main as run_drain

            return lambda: run_drain(rest)
        case "profile":
            from headrace.cli.profile_command import main as run_profile

            return lambda: run_profile(rest)
        case _:
            return _find_other(arguments)


def _is_verb(arguments: Sequence[str]) -> bool:
    """Whether that was a line for the table of verbs: all of those have closed what they opened."""
    if arguments[:1] in ([], ["worker"], ["drain"], ["profile"]):
        return False
    from headrace.cli.verbs import find_verb

    return find_verb(arguments) is not None


def _find_other(arguments: Sequence[str]) -> Callable[[], int]:
    from headrace.cli.quick_parser import read_line
    from headrace.cli.verbs import carry_out, find_verb

    if COMPLETION not in os.environ and (line := read_line(arguments)) is not None:
        return lambda: carry_out(*line)
    if find_verb(arguments) is None and arguments and not arguments[0].startswith("-"):
        from headrace.cli.external import find_external

        if (found := find_external(arguments)) is not None:
            run_external, rest = found
            return lambda: run_external(rest)

    from headrace.cli.app import run

    return lambda: run(arguments)
