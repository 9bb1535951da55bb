"""What stays of jobs that have ended, and who is told. As lib/endings.lua, forget.lua, dead.lua and handover.lua."""

from __future__ import annotations

import re

import msgspec

from headrace.brokers.memory.limits import drop_mark, end_uniqueness
from headrace.brokers.memory.scored import Scored
from headrace.brokers.memory.state import Death, QueueState
from headrace.contract.protocol import CANCELLED_MARK

_MADE = re.compile(r"([0-9a-fA-F]{12})-[0-9a-fA-F]+")
CALLED_OFF = CANCELLED_MARK + b"cancelled"


def tell(state: QueueState, job_id: str, task: str, how: str) -> None:
    """The channel of whoever enqueued it: ids made by headrace begin with their process's stem."""
    made = _MADE.fullmatch(job_id)
    state.tell(f"done:{made[1] if made else job_id}", msgspec.msgpack.encode([job_id, task, how]))


def note_end(state: QueueState, job_id: str, how: str, keep_ms: int | None = None) -> None:
    """It ends without a result; called while its value is still there."""
    task = state.task_of(job_id)
    kept_for = state.keep.get(task) if keep_ms is None else keep_ms
    if kept_for is None:
        return
    if how == "cancelled":
        state.results.put(job_id, CALLED_OFF, state.ms, state.ms + kept_for)
    tell(state, job_id, task, how)


def keep_result(state: QueueState, job_id: str, result: bytes, ttl_ms: int, task: str, most: int) -> None:
    """most: 0 for no bound."""
    state.results.put(job_id, result, state.ms, state.ms + ttl_ms)
    if most:
        newest = state.kept.setdefault(task, Scored())
        newest.put(job_id, state.next_us())
        for old, _ in newest.pop(len(newest) - most):
            state.results.discard(old)
    tell(state, job_id, task, "done")


def forget(state: QueueState, job_id: str) -> int:
    """Nothing of it stays but its result. Says how many parked jobs that has let out."""
    let_out = drop_mark(state, job_id)
    state.jobs.pop(job_id, None)
    state.prio.pop(job_id, None)
    state.crash.pop(job_id, None)
    state.cancel.discard(job_id)
    return let_out


def cancel_pending(state: QueueState, job_id: str) -> bool:
    """A cancellation asked for while it was leased is fulfilled by whatever takes it off its session."""
    if job_id not in state.cancel:
        return False
    note_end(state, job_id, "cancelled")
    forget(state, job_id)
    state.count["cancelled"] += 1
    return True


def bury(state: QueueState, job_id: str, death: Death) -> None:
    """It keeps its envelope and its mark, for a replay; its unique key is free."""
    end_uniqueness(state, job_id)
    state.crash.pop(job_id, None)
    state.dead.put(job_id, state.next_us())
    state.deaths[job_id] = death
    note_end(state, job_id, "dead")
    state.count["dead"] += 1


def set_attempts(state: QueueState, job_id: str, attempts: int) -> None:
    """In the header of its value."""
    value = state.jobs[job_id]
    state.jobs[job_id] = value[:1] + bytes((min(attempts, 255),)) + value[2:]
