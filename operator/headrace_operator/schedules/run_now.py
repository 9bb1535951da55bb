"""The life of the annotation headrace.dev/run-now: read, accepted once, run, reported, removed at the end.

Its value is the request's id. The id is kept beside the annotation before anything runs, and in Redis with the job, so
whoever goes on after a restart makes no second one.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from time import gmtime, strftime
from typing import Final

from headrace.admin.schedules import Fate, ScheduleRecord
from headrace.errors import HeadraceError, UsageError
from headrace_operator.api.names import RUN_NOW_ANNOTATION, RUN_REQUEST
from headrace_operator.api.redact import for_people
from headrace_operator.api.schedule_status import RunNowStatus
from headrace_operator.core.clock import timestamp
from headrace_operator.core.schedule_events import RunNowPhase
from headrace_operator.core.schedule_verdict import Verdict
from headrace_operator.reconcile.ticking import Terms
from headrace_operator.schedules.entry import Entry
from headrace_operator.schedules.places import Place
from headrace_operator.schedules.world import ScheduleWorld
from headrace_operator.seams.objects import Pending, pending_run

_SHOWN: Final = 60


@dataclass(frozen=True)
class Asked:
    """What a run would be made of."""

    place: Place | None
    terms: Terms | None
    verdict: Verdict
    record: ScheduleRecord | None


@dataclass(frozen=True)
class Ran:
    """What to report of the request, and the Schedule's record if that has changed by it."""

    status: RunNowStatus | None
    record: ScheduleRecord | None = None


async def tend_run_now(asked: Asked, entry: Entry, world: ScheduleWorld) -> Ran:
    """One step of what the annotation asks for. Raises ObjectsUnavailableError, ObjectGoneError."""
    assert entry.schedule is not None
    pending, last = pending_run(entry.schedule), entry.run_now
    if pending is None:
        return Ran(last)
    if not RUN_REQUEST.fullmatch(pending.value):
        return Ran(await _refuse(pending, last, entry, world))
    before = last if last is not None and last.request == pending.value else None
    if pending.accepted is None:
        return Ran(await _accept(pending.value, before, entry, world) or last)
    if before is None:
        return Ran(_status(pending.value, RunNowPhase.ACCEPTED, world.now(), "it runs as soon as it can"))
    if before.phase == RunNowPhase.ACCEPTED:
        return await _run(before, asked, entry, world)
    await _finish(pending.accepted, pending.value, before, entry, world)
    return Ran(before)


async def _accept(request: str, before: RunNowStatus | None, entry: Entry, world: ScheduleWorld) -> RunNowStatus | None:
    """Note the id; None if somebody else was faster."""
    if before is not None and before.phase not in (RunNowPhase.ACCEPTED, RunNowPhase.REPEATED):
        return _repeated(before, world.now())  # told before it is accepted, and so removed
    if not await world.schedules.accept(entry.key, request, request):
        return None
    return before or _status(request, RunNowPhase.ACCEPTED, world.now(), "it runs as soon as it can")


async def _refuse(
    pending: Pending, last: RunNowStatus | None, entry: Entry, world: ScheduleWorld
) -> RunNowStatus | None:
    """A value that can be no id is noted under one of its own, told, and so removed."""
    now = world.now()
    noted = pending.accepted or f"{strftime('%Y%m%dt%H%M%S', gmtime(now))}-{secrets.token_hex(3)}"
    if last is not None and last.request == noted:
        await _finish(noted, pending.value, last, entry, world)
        return last
    if pending.accepted is None and not await world.schedules.accept(entry.key, pending.value, noted):
        return last
    shown = pending.value if len(pending.value) <= _SHOWN else f"{pending.value[:_SHOWN]}…"
    problem = f"{RUN_NOW_ANNOTATION} takes an id of 1 to 100 letters, digits and . _ : -, got {shown!r}"
    return _status(noted, RunNowPhase.REFUSED, now, problem)


async def _finish(noted: str, value: str, told: RunNowStatus, entry: Entry, world: ScheduleWorld) -> None:
    """Only once it is told: whoever takes over in between finds in the status what has become of it."""
    if entry.written is not None and entry.written.run_now == told:
        await world.schedules.finish(entry.key, noted, value)


async def _run(begun: RunNowStatus, asked: Asked, entry: Entry, world: ScheduleWorld) -> Ran:
    """Make its job, for the first time or again after a restart."""
    request, now = begun.request, world.now()
    if not asked.verdict.ready and not asked.verdict.passing:
        return Ran(_status(request, RunNowPhase.REFUSED, now, asked.verdict.message))
    if asked.place is None or asked.terms is None or asked.record is None:
        return Ran(begun)
    at = asked.record.now_ms
    try:
        world.fence()
        fired = await world.places.admin(asked.place, entry.key).schedules.run_now(
            asked.terms.uid,
            request,
            value=asked.terms.value(at, at),
            concurrency=asked.terms.concurrency,
            keep=asked.terms.keep,
            priority=asked.terms.priority,
            limit_key=asked.terms.limit_key,
        )
    except UsageError as error:
        return Ran(_status(request, RunNowPhase.REFUSED, now, str(error)))
    except HeadraceError:
        return Ran(begun)  # tried again with the next look
    return Ran(_ended(request, fired.fate, fired.job_id, now), fired.record)


def _ended(request: str, fate: Fate, job_id: str, now: float) -> RunNowStatus:
    match fate:
        case Fate.SKIPPED:
            message = "the job before it is not over, and concurrencyPolicy is Forbid"
            return _status(request, RunNowPhase.SKIPPED, now, message)
        case Fate.REPLACED:
            message = f"job {job_id}; the one before it was called off"
            return _status(request, RunNowPhase.REPLACED, now, message, job_id)
        case _:
            return _status(request, RunNowPhase.ENQUEUED, now, f"job {job_id}", job_id)


def _repeated(last: RunNowStatus, now: float) -> RunNowStatus:
    """An annotation that is kept somewhere and written again and again is told once."""
    was = f" as job {last.job_id}" if last.job_id else ""
    message = f"this request has run before{was}; another value runs it again"
    return _status(last.request, RunNowPhase.REPEATED, now, message, last.job_id)


def _status(request: str, phase: RunNowPhase, now: float, message: str, job_id: str | None = None) -> RunNowStatus:
    return RunNowStatus(
        request=request, phase=phase, time=timestamp(now), job_id=job_id or None, message=for_people(message)
    )
