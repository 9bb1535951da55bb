"""One look at one Schedule: judge → fire what is due, or count what is missed → run what was asked for → report."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass

from headrace.admin.schedules import Concurrency, ScheduleRecord
from headrace.contract.protocol import Priority
from headrace.errors import HeadraceError, ProtocolError, QueueFullError, UsageError
from headrace_operator.api.schedule import Schedule
from headrace_operator.core.clock import seconds
from headrace_operator.core.recurrence import CatchUp, Lateness, Recurrence
from headrace_operator.core.schedule_summary import STATUS_SECONDS, Found, Mirrored, Run, summarise
from headrace_operator.core.schedule_verdict import ScheduleReason, Verdict, read_timing
from headrace_operator.reconcile.ticking import Terms, count_missed, fire_due
from headrace_operator.reconcile.trouble import explain
from headrace_operator.schedules.entry import Entry, Left
from headrace_operator.schedules.judge import Judged, NotKnownYetError, judge
from headrace_operator.schedules.report import report
from headrace_operator.schedules.run_now import Asked, Ran, tend_run_now
from headrace_operator.schedules.world import ScheduleWorld

log = logging.getLogger(__name__)

_SOONEST = 0.005
"""Shortest pause between two looks, seconds."""
_AGAIN = 5
"""How often in a row somebody else may be faster before the next look."""


@dataclass(frozen=True)
class Next:
    """When to look again: so many seconds from now; `gone`: never, nothing is left of it."""

    seconds: float
    gone: bool = False
    failed: bool = False
    """Its Redis could not be asked: later and later."""


@dataclass(frozen=True)
class _Look:
    """What was found."""

    verdict: Verdict
    record: ScheduleRecord | None = None
    next_ms: int | None = None
    wait_ms: int | None = None


async def look(entry: Entry, world: ScheduleWorld) -> Next:
    """Raises HeadraceErrors of the place where Schedules are kept, and of the fence."""
    world.fence()
    await _leave(entry, world)
    if entry.deleted:
        return Next(world.settings.retry_cap if entry.left else 0, gone=not entry.left)
    if entry.refused is not None:
        verdict = Verdict(ScheduleReason.INVALID_SPEC, entry.refused.problem)
        await _keep(entry, world)
        await _say(Found(entry.refused.generation, verdict, run_now=entry.run_now), entry, world)
        return Next(world.settings.rest)
    assert entry.schedule is not None
    schedule, judged = entry.schedule, Judged(None)
    try:
        async with asyncio.timeout(world.settings.look_timeout):
            judged = await judge(schedule, entry, world)
            found = await _act(schedule, judged, entry, world)
    except NotKnownYetError:
        return Next(world.settings.retry_base)
    except (HeadraceError, TimeoutError) as error:
        found = _Look(_trouble(error))
    asked = Asked(judged.place, _terms(schedule, judged, world), found.verdict, found.record)
    ran = await tend_run_now(asked, entry, world)
    await _say(_found(schedule, found, ran), entry, world)
    return _next(found, entry, world)


async def _act(schedule: Schedule, judged: Judged, entry: Entry, world: ScheduleWorld) -> _Look:
    """Fire what is due, if it can be fired. Raises QueueUnavailableErrors, UsageErrors."""
    terms = _terms(schedule, judged, world)
    if terms is None or judged.place is None:
        assert judged.mistake is not None
        await _keep(entry, world)
        return _Look(judged.mistake)
    schedules = world.places.admin(judged.place, entry.key).schedules
    if judged.mistake is not None:
        return _Look(judged.mistake, await count_missed(schedules, terms))
    try:
        ticked = await fire_due(schedules, terms)
        for _ in range(_AGAIN):
            if not ticked.again:
                break
            ticked = await fire_due(schedules, terms)
    except UsageError as error:
        return _Look(Verdict(ScheduleReason.INVALID_PAYLOAD, str(error)), await count_missed(schedules, terms))
    return _Look(_good(schedule, judged), ticked.record, ticked.next_ms, ticked.wait_ms)


async def _keep(entry: Entry, world: ScheduleWorld) -> None:
    """Its terms can't be stated, but it lives: its record must not expire meanwhile."""
    if entry.place is None:
        return
    try:
        async with asyncio.timeout(world.settings.look_timeout):
            await world.places.admin(entry.place, entry.key).schedules.keep(entry.place.uid)
    except (HeadraceError, TimeoutError) as error:
        log.debug("%s: its record was not kept this time: %s", entry.key, error)


def _terms(schedule: Schedule, judged: Judged, world: ScheduleWorld) -> Terms | None:
    """None: its timing can't be read."""
    spec, metadata = schedule.spec, schedule.metadata
    if judged.recurrence is None:
        return None
    deadline = spec.starting_deadline_seconds
    return Terms(
        uid=metadata.uid,
        name=str(schedule.key),
        created_ms=_created_ms(schedule, world),
        generation=metadata.generation if world.settings.generations else 0,
        suspended=spec.suspend,
        recurrence=judged.recurrence,
        lateness=Lateness(
            CatchUp(spec.catch_up), spec.catch_up_max or 10, None if deadline is None else deadline * 1000
        ),
        concurrency=Concurrency(spec.concurrency_policy),
        keep=max(spec.history_limit, 1),
        task=spec.task,
        arguments=spec.kwargs,
        args=spec.args,
        max_retries=spec.max_retries,
        timeout=spec.timeout_seconds,
        priority=Priority(spec.priority),
        limit_key=judged.limit_key,
    )


def _created_ms(schedule: Schedule, world: ScheduleWorld) -> int:
    """Since when its ticks count for a Redis that does not know it, be it new or has it lost everything."""
    last = schedule.status.last_schedule_time if schedule.status else None
    times = [seconds(text) for text in (schedule.metadata.creation_timestamp, last) if text]
    return int(max(times, default=world.now()) * 1000)


def _good(schedule: Schedule, judged: Judged) -> Verdict:
    if schedule.spec.suspend:
        return Verdict(ScheduleReason.SUSPENDED, "spec.suspend: nothing fires, and nothing is missed")
    note = ""
    if judged.unchecked:
        note = "; task and arguments are not checked yet, as no worker of the queue has ever said what its tasks are"
    return Verdict(ScheduleReason.SCHEDULED, f"jobs are put into queue {judged.place and judged.place.queue}{note}")


def _trouble(error: Exception) -> Verdict:
    if isinstance(error, QueueFullError):
        return Verdict(ScheduleReason.QUEUE_FULL, str(error))
    if isinstance(error, ProtocolError):
        return Verdict(ScheduleReason.PROTOCOL_MISMATCH, str(error))
    if isinstance(error, TimeoutError) and not str(error):
        return Verdict(ScheduleReason.REDIS_UNAVAILABLE, "Redis took too long to answer")
    return Verdict(ScheduleReason.REDIS_UNAVAILABLE, explain(error).message)


def _found(schedule: Schedule, look: _Look, ran: Ran) -> Found:
    timing = read_timing(schedule.spec)
    record = ran.record or look.record
    return Found(
        generation=schedule.metadata.generation,
        verdict=look.verdict,
        description=timing.describe() if isinstance(timing, Recurrence) else None,
        next_tick=None if look.next_ms is None else look.next_ms / 1000,
        mirrored=None if record is None else _mirrored(record),
        history=schedule.spec.history_limit,
        run_now=ran.status,
    )


def _mirrored(record: ScheduleRecord) -> Mirrored:
    return Mirrored(
        enqueued=record.enqueued,
        skipped=record.skipped,
        missed=record.missed,
        recent=tuple(Run(one.tick_ms / 1000, one.fate, one.job_id, ":now:" in one.job_id) for one in record.recent),
        active=record.active,
    )


async def _say(found: Found, entry: Entry, world: ScheduleWorld) -> None:
    await report(summarise(entry.status, found, world.now()), entry, world)


def _next(found: _Look, entry: Entry, world: ScheduleWorld) -> Next:
    """At the next tick, when the status is due to be written, or after a rest; later and later without its Redis."""
    if found.verdict.passing:
        return Next(world.settings.retry_base, failed=True)
    times = [world.settings.rest]
    if found.wait_ms is not None:
        times.append(found.wait_ms / 1000)
    if entry.written != entry.status and entry.written_at is not None:
        times.append(entry.written_at + STATUS_SECONDS - world.now())
    return Next(max(min(times), _SOONEST))


async def _leave(entry: Entry, world: ScheduleWorld) -> None:
    """See to the records elsewhere; a Redis that is away is tried again, and at last given up."""
    if time.monotonic() < entry.left_again:
        return
    for left in list(entry.left):
        place = left.place
        try:
            async with asyncio.timeout(world.settings.look_timeout):
                await _put_to_rest(left, entry, world)
        except (HeadraceError, TimeoutError) as error:
            entry.left_again = time.monotonic() + world.settings.retry_cap
            if time.monotonic() - left.since < world.settings.forget_for:
                continue
            log.warning("%s: its record stays in queue %s of its Redis: %s", entry.key, place.queue, error)
        entry.left.remove(left)
        if entry.place is None or entry.place.target != place.target:
            await world.places.leave(place.target, entry.key)


async def _put_to_rest(left: Left, entry: Entry, world: ScheduleWorld) -> None:
    schedules = world.places.admin(left.place, entry.key).schedules
    if left.gone:
        await schedules.forget(left.place.uid)
        return
    record = await schedules.look(left.place.uid)
    if record.known and not record.suspended:
        await schedules.settle_terms(
            record.uid,
            name=record.name,
            timing=record.timing,
            suspended=True,
            created_ms=record.since_ms,
            generation=record.generation,
        )
