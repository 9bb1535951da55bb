"""What `schedules next` and `schedules run` answer, on a cluster and on a laptop."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from headrace.cli.exit_codes import ExitCode
from headrace.cli.output import Printer, note
from headrace.errors import ConfigError
from headrace_operator.core.schedule_events import RunNowPhase
from headrace_operator.schedules.upcoming import Upcoming, warning

OF_ONE: Final = 5
"""Ticks shown of one Schedule; of all of them the next."""
OF_ALL: Final = 1
_GOOD: Final = (RunNowPhase.ENQUEUED, RunNowPhase.REPLACED, RunNowPhase.REPEATED)


def show_one(printer: Printer, name: str, found: Upcoming) -> int:
    """Its ticks, one a line."""
    printer.rows(("NEXT",), [[text] for text in found.shown], found.document)
    if found.suspended and not printer.structured:
        note(warning(name))
    return ExitCode.DONE


def show_all(printer: Printer, schedules: Sequence[tuple[str, Callable[[], Upcoming]]]) -> int:
    """Of each behind its name; one that makes no sense is a line on stderr, and then the exit code is 2."""
    found: list[tuple[str, Upcoming]] = []
    wrong: list[str] = []
    for name, read in schedules:
        try:
            found.append((name, read()))
        except ConfigError as error:
            wrong.append(f"{name}: {error}")
    rows = [[name, text] for name, one in found for text in one.shown]
    printer.rows(("NAME", "NEXT"), rows, [{"name": name, **one.document} for name, one in found])
    if not printer.structured:
        wrong = [*(warning(name) for name, one in found if one.suspended), *wrong]
    for problem in wrong:
        note(problem)
    return ExitCode.DONE if len(found) == len(schedules) else ExitCode.MISTAKE


def tell_run(printer: Printer, status: Mapping[str, Any]) -> int:
    """`status`: the resource's `runNow`, which is the document. 1 when it was skipped, 2 when it was refused."""
    said = status.get("message") or f"{status['phase']} {status.get('jobId', '')}".strip()
    good = status["phase"] in _GOOD
    if good or printer.structured:
        printer.say(said, status)
    if good:
        return ExitCode.DONE
    note(said)
    return ExitCode.MISTAKE if status["phase"] == RunNowPhase.REFUSED else ExitCode.FAILED
