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


Ready = Mapping[str, Mapping[str, Any]]
"""By name `ready`, `reason` and `message`, of Schedules that an operator has judged."""
_NOBODY_SAYS: Final[Ready] = {}


def ready_of(status: Mapping[str, Any]) -> Mapping[str, Any]:
    """The condition Ready of a resource's status; empty before an operator has judged it."""
    return next((one for one in status.get("conditions") or () if one.get("type") == "Ready"), {})


def show_one(printer: Printer, name: str, found: Upcoming, ready: Ready = _NOBODY_SAYS) -> int:
    """Its ticks, one a line."""
    printer.rows(("NEXT",), [[text] for text in found.shown], {**found.document, **ready.get(name, {})})
    if not printer.structured:
        _warn([(name, found)], ready)
    return ExitCode.DONE


def show_all(
    printer: Printer, schedules: Sequence[tuple[str, Callable[[], Upcoming]]], ready: Ready = _NOBODY_SAYS
) -> int:
    """Of each behind its name; one that makes no sense is a line on stderr, and then the exit code is 2."""
    found: list[tuple[str, Upcoming]] = []
    wrong: list[str] = []
    for name, read in schedules:
        try:
            found.append((name, read()))
        except ConfigError as error:
            wrong.append(f"{name}: {error}")
    rows = [[name, text] for name, one in found for text in one.shown]
    documents = [{"name": name, **one.document, **ready.get(name, {})} for name, one in found]
    printer.rows(("NAME", "NEXT"), rows, documents)
    if not printer.structured:
        _warn(found, ready)
    for problem in wrong:
        note(problem)
    return ExitCode.DONE if len(found) == len(schedules) else ExitCode.MISTAKE


def _warn(found: Sequence[tuple[str, Upcoming]], ready: Ready) -> None:
    """Of those whose ticks will not run as shown."""
    for name, one in found:
        if one.suspended:
            note(warning(name))
    for name, _ in found:
        if name in ready and not ready[name]["ready"]:
            note(f"{name} is not Ready: {ready[name]['reason']}: {ready[name]['message']}")


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
