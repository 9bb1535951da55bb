"""What `headrace top` shows of a queue: where its jobs stand, and what came and went between two looks. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from headrace.cli.output import Cell
from headrace.contract.stats import QueueStats


@dataclass(frozen=True)
class Load:
    """One queue. Rates are per second, None after a single look."""

    queue: str
    state: str
    """open, paused, or asleep: nobody works, and the next job wakes the operator."""
    ready: int
    """Those just fallen due included."""
    oldest_seconds: float | None
    """How long the longest-waiting of them has been waiting."""
    leased: int
    """In the hands of workers."""
    scheduled: int
    parked: int
    """Held back by a limit."""
    awaiting: int
    """Wait for other jobs of their workflows."""
    dead: int
    workers: int
    slots: int
    """Jobs that the workers could run at the same time."""
    enqueued_rate: float | None
    completed_rate: float | None
    failed_rate: float | None
    """Failed runs, retried ones included."""


COLUMNS: Final = (
    *("QUEUE", "STATE", "READY", "OLDEST", "IN FLIGHT", "SLOTS", "WORKERS", "SCHEDULED", "PARKED", "AWAITING", "DEAD"),
    *("IN/S", "DONE/S", "FAILED/S"),
)


def loads(before: Mapping[str, QueueStats], after: Mapping[str, QueueStats]) -> list[Load]:
    """Of each queue of the second look."""
    return [load(before.get(queue), now) for queue, now in after.items()]


def load(before: QueueStats | None, now: QueueStats) -> Load:
    """Of one queue; times are the server's."""
    seconds = 0.0 if before is None else (now.now_ms - before.now_ms) / 1000

    def rate(earlier: int, later: int) -> float | None:
        # A queue whose keys were deleted in between counts from zero again.
        return round(max(0, later - earlier) / seconds, 1) if seconds > 0 else None

    completed, failed = _ended(now)
    completed_before, failed_before = (0, 0) if before is None else _ended(before)
    oldest = now.oldest_ready_ms
    return Load(
        queue=now.queue,
        state=state_of(now),
        ready=now.ready + now.due,
        oldest_seconds=None if oldest is None else max(0.0, round((now.now_ms - oldest) / 1000, 1)),
        leased=now.leased,
        scheduled=now.scheduled,
        parked=now.parked + now.held,
        awaiting=now.awaiting,
        dead=now.dead,
        workers=len(now.workers),
        slots=sum(worker.slots for worker in now.workers),
        enqueued_rate=rate(0 if before is None else before.enqueued, now.enqueued),
        completed_rate=rate(completed_before, completed),
        failed_rate=rate(failed_before, failed),
    )


def row(said: Load) -> Sequence[Cell]:
    """As COLUMNS has it."""
    oldest = None if said.oldest_seconds is None else f"{said.oldest_seconds:g} s"
    return [
        *(said.queue, said.state, said.ready, oldest, said.leased, said.slots, said.workers, said.scheduled),
        *(said.parked, said.awaiting, said.dead, said.enqueued_rate, said.completed_rate, said.failed_rate),
    ]


def state_of(said: QueueStats) -> str:
    """In one word."""
    return "paused" if said.paused else "asleep" if said.asleep else "open"


def _ended(said: QueueStats) -> tuple[int, int]:
    """Runs that succeeded, and that failed, since the queue was made."""
    versions = said.versions.values()
    return sum(one.completed for one in versions), sum(one.failed for one in versions)
