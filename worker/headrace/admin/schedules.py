"""Schedules of one queue: what has become of their ticks, kept beside the jobs, and each tick made one job at most.

Owns the record in Redis. Must not decide which ticks are due: who calls does, from the record, and names it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import msgspec

from headrace.admin.handle import QueueHandle
from headrace.client.codec import MAX_PAYLOAD, codec_named, encode_arguments
from headrace.context import TICK
from headrace.contract.entry import Entry, Mark
from headrace.contract.envelope import Envelope, decode, encode, header
from headrace.contract.protocol import CHUNK, Priority
from headrace.errors import UsageError
from headrace.wire.commands import Argument

SCHEDULE: Final = "headrace.schedule"
"""In a job's metadata: the name of the Schedule it is a run of."""
KEEP: Final = 10
MOST_KEPT: Final = 100
_REQUEST: Final = re.compile(r"[A-Za-z0-9._:-]{1,100}")


class Concurrency(StrEnum):
    """What happens to a tick while a job of the same schedule is not over (scheduled, ready, parked or running)."""

    ALLOW = "Allow"
    FORBID = "Forbid"
    """It is skipped."""
    REPLACE = "Replace"
    """The jobs before it are called off: those that wait are gone, a running one is stopped by its worker."""


class Fate(StrEnum):
    """What has become of a tick."""

    ENQUEUED = "enqueued"
    SKIPPED = "skipped"
    REPLACED = "replaced"
    """Enqueued, and jobs before it were called off."""
    ALREADY = "already"
    """It, or a later one, was dealt with before: nothing was done now."""
    STALE = "stale"
    """The record is no longer the one that this was decided on: nothing was done, look again."""


@dataclass(frozen=True)
class Run:
    """One tick that was dealt with. `job_id` is '' for a skipped one; `tick_ms` of a run out of turn is when it was
    asked for."""

    tick_ms: int
    job_id: str
    fate: Fate


@dataclass(frozen=True)
class ScheduleRecord:
    """What Redis knows of a schedule. Times are Unix ms on the queue's clock, which never goes back."""

    uid: str
    now_ms: int
    name: str = ""
    timing: str = ""
    """Tells whether its ticks are still the same; '': nobody has settled its terms."""
    generation: int = 0
    since_ms: int = 0
    """Ticks later than this count."""
    last_tick_ms: int | None = None
    """The latest tick that was dealt with."""
    suspended: bool = False
    enqueued: int = 0
    """Ticks and runs out of turn, since the record began; so are the two below."""
    skipped: int = 0
    missed: int = 0
    recent: tuple[Run, ...] = ()
    """Newest first."""
    active: tuple[str, ...] = ()
    """Its jobs that are not over, oldest first, at most a hundred."""

    @property
    def known(self) -> bool:
        """Its terms were settled, and it was not forgotten since."""
        return self.timing != ""

    @property
    def after_ms(self) -> int:
        """Ticks later than this are owed."""
        return max(self.since_ms, self.last_tick_ms or 0)

    @property
    def standing(self) -> str:
        """What a decision to fire depends on, as lua/lib/recurring.lua puts it together."""
        if not self.known:
            return ""
        last = "" if self.last_tick_ms is None else self.last_tick_ms
        return f"{self.timing}|{self.generation}|{self.since_ms}|{last}|{'1' if self.suspended else ''}"


@dataclass(frozen=True)
class Fired:
    """What a call has done."""

    fate: Fate
    job_id: str
    """'' where the tick has none."""
    replaced: tuple[str, ...]
    """Jobs that it called off."""
    record: ScheduleRecord
    """As it is now."""


class Schedules:
    """The schedules of one queue. Each call may be repeated, after a lost answer or by another operator, and does its
    work once. Raises QueueUnavailableError, and what enqueues anything QueueFullError: then its tick is still owed.
    """

    def __init__(self, handle: QueueHandle) -> None:
        self._handle = handle

    async def look(self, uid: str) -> ScheduleRecord:
        """What is known of it; of one that nobody has settled, nothing."""
        (reply,) = await self._handle.run("look_schedules", uid)
        return _record(reply)

    async def all(self) -> tuple[ScheduleRecord, ...]:
        """Every schedule of the queue, by name."""
        uids = await self._handle.request("HKEYS", "schedules")
        found: list[ScheduleRecord] = []
        for start in range(0, len(uids), CHUNK):
            replies = await self._handle.run("look_schedules", *uids[start : start + CHUNK])
            found += [record for record in map(_record, replies) if record.known]
        return tuple(sorted(found, key=lambda record: (record.name, record.uid)))

    async def settle_terms(
        self, uid: str, *, name: str, timing: str, suspended: bool, created_ms: int, generation: int = 0
    ) -> ScheduleRecord:
        """State the terms as the schedule's object has them, and keep its record (see `keep`).

        A new schedule's ticks count from `created_ms` (Unix ms; later than now is now), one's with another `timing`, or
        resumed, from now. timing: any text without `|`, not ''. A `generation` lower than the recorded one changes
        nothing; 0 is not compared.
        """
        args = (uid, name, timing, "1" if suspended else "", created_ms, generation)
        return _record(await self._handle.run("settle_schedule", *args))

    async def keep(self, uid: str) -> bool:
        """Its object lives and can't be settled: its record is kept, which expires after 30 days in which nobody looks.

        False when it has none.
        """
        return bool(await self._handle.run("keep_schedule", uid))

    async def fire(
        self,
        uid: str,
        tick_ms: int,
        *,
        seen: ScheduleRecord,
        value: bytes,
        concurrency: Concurrency,
        keep: int = KEEP,
        missed: int = 0,
        priority: Priority = Priority.DEFAULT,
        limit_key: str = "",
    ) -> Fired:
        """Enqueue the job of one tick, as decided on the record `seen`; `missed` ticks before it are given up.

        The job's id is `<uid>:<tick_ms>`. keep: how many runs are remembered, 1 to 100. value: see `job_value`.
        limit_key: under which it is held to the limits of its task. Raises ProtocolError where a worker is too old for
        those.
        """
        job = _job(f"{uid}:{tick_ms}", value, priority, limit_key)
        args = (uid, tick_ms, job, concurrency, _kept(keep), missed, seen.standing)
        return await self._fired("fire_tick", *args)

    async def pass_over(self, uid: str, tick_ms: int, *, seen: ScheduleRecord, missed: int) -> Fired:
        """The ticks up to this one, so many, are missed: nothing is enqueued."""
        return await self._fired("pass_ticks", uid, tick_ms, missed, seen.standing)

    async def run_now(
        self,
        uid: str,
        request_id: str,
        *,
        value: bytes,
        concurrency: Concurrency,
        keep: int = KEEP,
        priority: Priority = Priority.DEFAULT,
        limit_key: str = "",
    ) -> Fired:
        """Enqueue a run out of turn, also of a suspended schedule; its id is `<uid>:now:<request_id>`.

        Otherwise as `fire`.
        The last twenty requests are remembered: again they are ALREADY. Raises UsageError for a wrong request_id.
        """
        if not _REQUEST.fullmatch(request_id):
            raise UsageError(f"run-now request {request_id!r}: use 1 to 100 letters, digits, '.', '_', ':' or '-'")
        job = _job(f"{uid}:now:{request_id}", value, priority, limit_key)
        return await self._fired("run_schedule_now", uid, request_id, job, concurrency, _kept(keep))

    async def forget(self, uid: str) -> bool:
        """Its object is gone: so is its record; its jobs stay. False when there was none.

        For an hour no other record of that uid is made: by an operator that has not heard of it yet, say.
        """
        return bool(await self._handle.run("forget_schedule", uid))

    async def _fired(self, script: str, *args: Argument) -> Fired:
        fate, job_id, replaced, record = await self._handle.run(script, *args)
        ids = tuple(one.decode() for one in replaced)
        return Fired(Fate(fate.decode()), job_id.decode(), ids, _record(record))


def job_value(
    task: str,
    arguments: Mapping[str, Any],
    *,
    args: Sequence[Any] = (),
    name: str,
    tick_ms: int,
    enqueued_ms: int,
    max_retries: int | None = None,
    timeout: float | None = None,
) -> bytes:
    """The value of an ordinary job, called with `args` and these arguments by name; its handler finds the tick in its
    context.

    Raises PayloadError (they can't be encoded or are too large), ConfigError (the task's name).
    """
    payload = encode_arguments(codec_named("msgpack"), task, tuple(args), arguments, MAX_PAYLOAD)
    meta = {SCHEDULE: name, TICK: str(tick_ms)}
    envelope = Envelope(enqueued_ms, payload, meta=meta, max_retries=max_retries, timeout=timeout)
    return encode(header(task), envelope)


def _job(job_id: str, value: bytes, priority: Priority, limit_key: str) -> bytes:
    """As the scripts take it; the rule of a limit key has the name of the job's task."""
    mark = Mark(limit_key, decode(value).task) if limit_key else None
    return msgspec.msgpack.encode(Entry(job_id, value, priority=priority, mark=mark).packed())


def _kept(keep: int) -> int:
    if not 1 <= keep <= MOST_KEPT:
        raise UsageError(f"a schedule's history: keep 1 to {MOST_KEPT} runs, got {keep}")
    return keep


def _record(reply: Any) -> ScheduleRecord:
    uid, now_ms, active, flat = reply
    fields = {flat[i].decode(): flat[i + 1] for i in range(0, len(flat), 2)}

    def number(name: str) -> int:
        return int(fields.get(name, b"0"))

    return ScheduleRecord(
        uid=uid.decode(),
        now_ms=now_ms,
        name=fields.get("name", b"").decode(),
        timing=fields.get("timing", b"").decode(),
        generation=number("gen"),
        since_ms=number("since"),
        last_tick_ms=number("last") if "last" in fields else None,
        suspended=fields.get("suspended") == b"1",
        enqueued=number("enqueued"),
        skipped=number("skipped"),
        missed=number("missed"),
        recent=_runs(fields.get("recent")),
        active=tuple(job_id.decode() for job_id in active),
    )


def _runs(packed: bytes | None) -> tuple[Run, ...]:
    if packed is None:
        return ()
    rows: list[tuple[float, str, str]] = msgspec.msgpack.decode(packed)
    return tuple(Run(int(tick), job_id, Fate(fate)) for tick, job_id, fate in rows)
