"""What is seen of a queue from outside, and told to it. As locate, outcomes, stats, cancel and replay.lua."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from headrace.brokers.memory.endings import forget, note_end
from headrace.brokers.memory.limits import allowance, is_parked, parked_count
from headrace.brokers.memory.ready import ready_count, ready_now, wake
from headrace.brokers.memory.state import QueueState
from headrace.brokers.protocol import DeadJob
from headrace.contract.ending import WAITING, CalledOff, Died, Ending, Gone, Kept
from headrace.contract.progress import Progress, decode_kept
from headrace.contract.protocol import CANCELLED_MARK, PROTOCOL, State
from headrace.contract.replies import worker_presence
from headrace.contract.stats import QueueStats, VersionCounts


def place(state: QueueState, job_id: str) -> State:
    """An unknown job is done."""
    if job_id in state.dead:
        return State.DEAD
    if any(job_id in session.own for session in state.sessions.values()):
        return State.LEASED
    if job_id in state.suspects or any(job_id in ready for ready in state.ready.values()):
        return State.READY
    if job_id in state.sched:
        return State.SCHEDULED
    return State.PARKED if is_parked(state, job_id) else State.DONE


def cancel(state: QueueState, job_id: str, keep_ms: int | None) -> str:
    """What waits is done; what runs is told to its worker; dead and done are final."""
    match place(state, job_id):
        case State.DEAD:
            return "dead"
        case State.LEASED:
            state.cancel.add(job_id)
            return "cancelling"
        case State.DONE:
            return "unknown"
    note_end(state, job_id, "cancelled", keep_ms)
    for ids in (state.sched, state.suspects, *state.ready.values()):
        ids.discard(job_id)
    if forget(state, job_id):
        wake(state, 1)
    state.count["cancelled"] += 1
    return "cancelled"


def ending(state: QueueState, job_id: str) -> Ending:
    """The job before the result: an id used again must not answer with what its first job left."""
    if (death := state.deaths.get(job_id)) is not None:
        return Died(death.reason, death.record.error, death.record.attempts)
    if job_id in state.jobs:
        return WAITING
    kept = state.results.get(job_id, state.ms)
    if kept is None:
        return Gone()
    return CalledOff() if kept.startswith(CANCELLED_MARK) else Kept(kept)


def progress(state: QueueState, job_id: str) -> Progress | None:
    """Of a session whose lease has not ended, under the claim it holds the job by."""
    for session in state.sessions.values():
        if job_id in session.own and session.said_until > state.ms:
            return decode_kept(session.said).get((job_id, session.own[job_id]))
    return None


def dead_letters(state: QueueState, most: int) -> list[DeadJob]:
    """The oldest first."""
    letters = []
    for job_id in list(state.dead)[:most]:
        death, died_us = state.deaths[job_id], state.dead.score(job_id) or 0
        letters.append(DeadJob(job_id, death.task, death.reason, death.record.error, death.record.attempts, died_us))
    return letters


def replay(state: QueueState, ids: Sequence[str]) -> int:
    """dead → ready, attempts back to none, one replay more."""
    moved = 0
    for job_id in ids:
        if state.dead.discard(job_id):
            del state.deaths[job_id]
            value = state.jobs[job_id]
            state.jobs[job_id] = value[:1] + b"\0" + bytes((min(value[2] + 1, 255),)) + value[3:]
            ready_now(state, job_id)
            moved += 1
    state.count["replayed"] += moved
    wake(state, moved)
    return moved


def stats(state: QueueState, queue: str) -> QueueStats:
    """Reads only."""
    ready = ready_count(state)
    heads = [head[1] for one in (state.suspects, *state.ready.values()) if (head := one.first()) is not None]
    overdue = len(state.sched.until(state.ms))
    free = ready if (whole := state.whole) is None else max(0, allowance(state.now_us, state.whole_tat, whole)[0])
    held = max(0, ready - free)
    later = [due for due, _ in _dues(state) if due > state.ms]
    dead = state.dead.first()
    return QueueStats(
        queue=queue,
        now_ms=state.ms,
        ready=ready - held,
        due=overdue + len(state.kdue.until(state.ms)),
        scheduled=len(state.sched) - overdue,
        leased=sum(len(session.own) for session in state.sessions.values()),
        parked=parked_count(state),
        held=held,
        dead=len(state.dead),
        oldest_ready_ms=min(heads) // 1000 if heads and ready > held else None,
        next_due_ms=min(later, default=None),
        oldest_dead_ms=dead[1] // 1000 if dead else None,
        expired_sessions=len(state.sess.until(state.ms)) + len(state.reaping),
        paused=state.paused,
        protocol=PROTOCOL,
        ticks=dict(state.ticks),
        versions={name: msgspec.convert(dict(counts), VersionCounts) for name, counts in state.versions.items()},
        workers=tuple(
            worker_presence(sid, state.sessions[sid].presence, len(state.sessions[sid].own), state.sess.score(sid) or 0)
            for sid in state.sess
        ),
        enqueued=state.count["enqueued"],
        released=state.count["released"],
        crashed=state.count["crashed"],
        stale=state.count["stale"],
        cancelled=state.count["cancelled"],
        replayed=state.count["replayed"],
    )


def _dues(state: QueueState) -> list[tuple[int, str]]:
    return [(ids.score(one) or 0, one) for ids in (state.sched, state.kdue) for one in ids]
