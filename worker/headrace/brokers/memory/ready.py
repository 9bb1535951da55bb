"""The ready path: making ids ready or scheduled, waking who waits. As lib/ready.lua, schedule.lua and promote.lua."""

from __future__ import annotations

from collections.abc import Iterable

from headrace.brokers.memory.state import QueueState
from headrace.contract.protocol import SUSPECT_AFTER, Priority


def push_ready(state: QueueState, ids: Iterable[tuple[str, int]]) -> None:
    """Ids with the µs since which each could run; a job that has crashed its workers goes to the suspects."""
    for job_id, ready_us in ids:
        if state.crash.get(job_id, 0) >= SUSPECT_AFTER:
            state.suspects.put(job_id, ready_us)
        else:
            state.ready[state.prio.get(job_id, Priority.DEFAULT)].put(job_id, ready_us)


def ready_now(state: QueueState, job_id: str) -> None:
    """From this moment on."""
    push_ready(state, [(job_id, state.next_us())])


def ready_count(state: QueueState) -> int:
    """Suspects included."""
    return len(state.suspects) + sum(map(len, state.ready.values()))


def wake(state: QueueState, new: int) -> None:
    """One token per idle session that could now get a job; tokens still lying there count."""
    state.tokens = max(state.tokens, min(new, len(state.idle)))


def schedule(state: QueueState, job_id: str, due_ms: int) -> None:
    """A head earlier than the one that idle sessions wait for wakes one of them."""
    head = state.sched.first()
    state.sched.put(job_id, due_ms)
    if head is None or due_ms < head[1]:
        wake(state, 1)


def promote(state: QueueState, most: int) -> None:
    """What has fallen due is ready since then."""
    due = state.sched.until(state.ms)[:most]
    for job_id, _ in due:
        state.sched.discard(job_id)
    push_ready(state, [(job_id, due_ms * 1000) for job_id, due_ms in due])


def pass_on(state: QueueState) -> None:
    """Wakes one idle session for what this one leaves lying; suspects wait for the session set apart."""
    if not state.idle or state.tokens:
        return
    left = ready_count(state) - (len(state.suspects) if state.alone else 0)
    if left > 0:
        state.tokens += 1
