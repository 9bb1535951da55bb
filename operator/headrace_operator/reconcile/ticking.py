"""Fires what one Schedule owes: looks at its record in Redis, decides, makes each tick one job or counts it as missed.

The one place that does. It may be called by several operators at once, end anywhere and be called again: the record is
moved in the step that enqueues, so a tick has one job at most, and none is passed over.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from headrace.admin.schedules import Concurrency, Fate, Fired, ScheduleRecord, Schedules, job_value
from headrace.contract.protocol import Priority
from headrace_operator.core.recurrence import Lateness, Recurrence, due


@dataclass(frozen=True)
class Terms:
    """What a Schedule's object states, checked: its task exists and takes these arguments."""

    uid: str
    name: str
    """`namespace/name`."""
    created_ms: int
    """Ticks after this count: the later of the object's creation and the last tick in its status."""
    generation: int
    """Of the object; 0: its generations say nothing."""
    suspended: bool
    recurrence: Recurrence
    lateness: Lateness
    concurrency: Concurrency
    keep: int
    """Runs that its history remembers."""
    task: str
    arguments: Mapping[str, Any]
    """By name …"""
    args: tuple[Any, ...] = ()
    """… and by position."""
    max_retries: int | None = None
    """None: what the task says; so is the next."""
    timeout: float | None = None
    """Seconds."""
    priority: Priority = Priority.DEFAULT
    limit_key: str = ""
    """That all jobs of the task have, as its workers say; '': none, or none that is known."""

    def value(self, tick_ms: int, now_ms: int) -> bytes:
        """The job of one tick. Raises PayloadError, ConfigError."""
        return job_value(
            self.task,
            self.arguments,
            args=self.args,
            name=self.name,
            tick_ms=tick_ms,
            enqueued_ms=now_ms,
            max_retries=self.max_retries,
            timeout=self.timeout,
        )


@dataclass(frozen=True)
class Ticked:
    """What one call has done."""

    record: ScheduleRecord
    """As it is now."""
    fired: tuple[Fired, ...] = ()
    """Ticks that this call dealt with, skipped ones too, oldest first."""
    missed: int = 0
    """Ticks that this call gave up."""
    more_missed: bool = False
    """There were more than were counted."""
    next_ms: int | None = None
    """The next tick; None: it is suspended, was deleted, or has come to its end."""
    again: bool = False
    """Somebody else moved the record meanwhile: call again, there may be more to do."""

    @property
    def wait_ms(self) -> int | None:
        """From the record's now to the next tick; None: there is none."""
        if self.again:
            return 0
        return None if self.next_ms is None else max(self.next_ms - self.record.now_ms, 0)


async def fire_due(schedules: Schedules, terms: Terms) -> Ticked:
    """Fire all ticks that are due by the queue's clock, oldest first.

    Raises QueueUnavailableError, QueueFullError: the ticks that were not dealt with are owed still, call again.
    """
    record = await _settle(schedules, terms)
    if record.suspended or not record.known or _is_behind(terms, record):
        return Ticked(record)
    return await _fire(schedules, terms, record)


async def count_missed(schedules: Schedules, terms: Terms) -> ScheduleRecord:
    """Of a Schedule whose task can't be run as it stands: count the ticks that will never run, fire none.

    Raises QueueUnavailableError.
    """
    record = await _settle(schedules, terms)
    if record.suspended or not record.known or _is_behind(terms, record):
        return record
    owed = due(terms.recurrence, after_ms=record.after_ms, now_ms=record.now_ms, lateness=terms.lateness)
    if owed.missed_until is None:
        return record
    return (await schedules.pass_over(terms.uid, owed.missed_until, seen=record, missed=owed.missed)).record


async def _settle(schedules: Schedules, terms: Terms) -> ScheduleRecord:
    return await schedules.settle_terms(
        terms.uid,
        name=terms.name,
        timing=terms.recurrence.timing,
        suspended=terms.suspended,
        created_ms=terms.created_ms,
        generation=terms.generation,
    )


def _is_behind(terms: Terms, record: ScheduleRecord) -> bool:
    """Another operator has seen a newer generation of the object: until this one hears of it, it fires nothing."""
    return record.generation > terms.generation > 0


async def _fire(schedules: Schedules, terms: Terms, record: ScheduleRecord) -> Ticked:
    owed = due(terms.recurrence, after_ms=record.after_ms, now_ms=record.now_ms, lateness=terms.lateness)
    fired: list[Fired] = []
    missed = owed.missed
    for tick in owed.fire:
        one = await schedules.fire(
            terms.uid,
            tick,
            seen=record,
            value=terms.value(tick, record.now_ms),
            concurrency=terms.concurrency,
            keep=terms.keep,
            missed=missed,
            priority=terms.priority,
            limit_key=terms.limit_key,
        )
        record = one.record
        if one.fate in (Fate.STALE, Fate.ALREADY):
            return Ticked(record, tuple(fired), 0 if not fired else owed.missed, again=True)
        fired.append(one)
        missed = 0
    if not owed.fire and owed.missed_until is not None:
        passed = await schedules.pass_over(terms.uid, owed.missed_until, seen=record, missed=missed)
        record = passed.record
        if passed.fate is not Fate.SKIPPED:
            return Ticked(record, again=True)
    return Ticked(record, tuple(fired), owed.missed, owed.more_missed, owed.next_ms)
