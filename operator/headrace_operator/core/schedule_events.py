"""What to tell people when the status of a Schedule turns into another: events, on transitions only. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

from headrace_operator.api.schedule_status import RunNowStatus, ScheduleStatus
from headrace_operator.core.events import Event
from headrace_operator.core.schedule_summary import condition
from headrace_operator.core.schedule_verdict import ScheduleReason
from headrace_operator.seams.objects import EventKind


class RunNowPhase(StrEnum):
    """What has become of a run that was asked for by the annotation."""

    ACCEPTED = "Accepted"
    """Noted, so that it will run."""
    ENQUEUED = "Enqueued"
    REPLACED = "Replaced"
    """Enqueued, and the job before it was called off (concurrencyPolicy Replace)."""
    SKIPPED = "Skipped"
    """The job before it is not over (concurrencyPolicy Forbid)."""
    REPEATED = "Repeated"
    """A request of this id has run before."""
    REFUSED = "Refused"
    """It can't run; the message says why."""


_NOT_RUN = (RunNowPhase.SKIPPED, RunNowPhase.REPEATED, RunNowPhase.REFUSED)


def events(old: ScheduleStatus | None, new: ScheduleStatus) -> list[Event]:
    """What happened between the last written status `old` and `new`, which was written now."""
    return [*_readiness(old, new), *_missed(old, new), *_run_now(old.run_now if old else None, new.run_now)]


def _readiness(old: ScheduleStatus | None, new: ScheduleStatus) -> Iterator[Event]:
    before, now = condition(old), condition(new)
    if now is None:
        return
    was = before.reason if before else ScheduleReason.SCHEDULED
    if now.status == "False":
        if before is None or (before.reason, before.message) != (now.reason, now.message):
            yield Event(EventKind.WARNING, now.reason, now.message)
    elif now.reason == was:
        return
    elif was == ScheduleReason.SUSPENDED:
        yield Event(EventKind.NORMAL, "Resumed", now.message)
    else:
        yield Event(EventKind.NORMAL, now.reason, now.message)


def _missed(old: ScheduleStatus | None, new: ScheduleStatus) -> Iterator[Event]:
    """A Schedule that can't fire has said so already."""
    ready, more = condition(new), new.missed - (old.missed if old else 0)
    if more > 0 and ready is not None and ready.status == "True":
        noun = "tick was" if more == 1 else "ticks were"
        yield Event(EventKind.WARNING, "TicksMissed", f"{more} {noun} missed, {new.missed} all in all")


def _run_now(old: RunNowStatus | None, new: RunNowStatus | None) -> Iterator[Event]:
    if new is None or new.phase == RunNowPhase.ACCEPTED:
        return
    if old is None or (old.request, old.phase) != (new.request, new.phase):
        kind = EventKind.WARNING if new.phase in _NOT_RUN else EventKind.NORMAL
        yield Event(kind, f"RunNow{new.phase}", f"{new.request}: {new.message}")
