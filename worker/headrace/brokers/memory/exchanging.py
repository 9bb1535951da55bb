"""The heart: settles, promotes, reaps, claims. As exchange.lua, lib/settle.lua and lib/reap.lua."""

from __future__ import annotations

from collections import Counter

import msgspec

from headrace.brokers.memory.claiming import Popped, claim, give_up_apart, next_look_ms
from headrace.brokers.memory.endings import bury, cancel_pending, forget, keep_result, note_end, set_attempts
from headrace.brokers.memory.limits import drop_mark, free_slot, let_out_due
from headrace.brokers.memory.ready import pass_on, promote, push_ready, ready_now, schedule
from headrace.brokers.memory.state import Death, QueueState, Session
from headrace.brokers.protocol import Exchanged, Settled, Settlement
from headrace.contract.envelope import DeathRecord, decode_death
from headrace.contract.protocol import CRASH_LIMIT
from headrace.errors import QueueUnavailableError

AT_ONCE = 500
"""Most ids that one call takes off a session that has died."""
_EMPTY: tuple[bytes, ...] = ()


def exchange(
    state: QueueState, sid: str, lane: str, seq: int, n: int, flags: str, version: str, settled: Settled
) -> Exchanged:
    """The same (sid, lane, seq) settles nothing and hands out the same jobs."""
    session = state.sessions.get(sid)
    if session is None or sid not in state.sess:
        return _refuse_all(state, sid, settled)
    last = session.lanes.get(lane)
    under = f"{lane}.{seq}"
    if last is not None and last[0] == seq:
        held: Popped = [(job_id, state.us) for job_id, claim in session.own.items() if claim == under]
        return _answer(state, sid, session, last[1], held, n)
    if last is not None and last[0] > seq:
        raise QueueUnavailableError("OVERTAKEN a later call of this lane was answered")
    if "i" in flags:
        state.idle.discard(sid)
    stale = _settle_all(state, session, version, settled)
    session.lanes[lane] = (seq, stale)
    promote(state, max(n, 100))
    let_out_due(state)
    reap(state, sid)
    claimed = claim(state, sid, session, n) if n and not state.paused else []
    session.own.update({job_id: under for job_id, _ in claimed})
    give_up_apart(state, sid, session, claims=n > 0 and not state.paused, quiet="q" in flags)
    _note_idleness(state, sid, len(claimed), n)
    return _answer(state, sid, session, stale, claimed, n)


def _note_idleness(state: QueueState, sid: str, got: int, n: int) -> None:
    """Who can't take what others might is not idle: a token would be lost on it."""
    barred = state.alone == sid
    if barred:
        state.idle.discard(sid)
    elif not got and n:
        state.idle.add(sid)
    if not state.paused and (barred or got >= n):
        pass_on(state)


def _answer(
    state: QueueState, sid: str, session: Session, stale: tuple[str, ...], claimed: Popped, n: int
) -> Exchanged:
    ids = [job_id for job_id, _ in claimed]
    return Exchanged(
        status=b"PAUSED" if state.paused else b"OK",
        now_ms=state.ms,
        next_due_ms=next_look_ms(state, sid, session) if n and not ids else -1,
        stale=[job_id.encode() for job_id in stale],
        cancelled=cancelled_among(state, session),
        ids=[job_id.encode() for job_id in ids],
        values=[state.jobs[job_id] for job_id in ids],
        ready_us=[str(ready_us).encode() for _, ready_us in claimed],
        crashes=[state.crash.get(job_id, 0) for job_id in ids] if state.crash else [],
        on_trial=0,
    )


def cancelled_among(state: QueueState, session: Session) -> list[bytes]:
    """Of what it holds, what is to be cancelled."""
    return [job_id.encode() for job_id in session.own if job_id in state.cancel]


def _refuse_all(state: QueueState, sid: str, settled: Settled) -> Exchanged:
    state.idle.discard(sid)
    pass_on(state)
    state.count["stale"] += len(settled.others) + sum(map(len, settled.done.values()))
    return Exchanged(b"LOST", state.ms, -1, _EMPTY, _EMPTY, _EMPTY, _EMPTY, _EMPTY, (), 0)


def _settle_all(state: QueueState, session: Session, version: str, settled: Settled) -> tuple[str, ...]:
    """A settlement counts only under the very claim it names; the ids of the others come back."""
    stale: list[str] = []
    outcomes: Counter[str] = Counter()
    entries: list[Settlement] = [("done", i, claim) for claim, ids in settled.done.items() for i in ids]
    for entry in (*entries, *settled.others):
        job_id = str(entry[1])
        if session.own.get(job_id) == entry[2]:
            del session.own[job_id]
            outcomes[_settle_one(state, entry)] += 1
        else:
            stale.append(job_id)
    _count(state, version, outcomes, settled.service_us)
    state.count["stale"] += len(stale)
    return tuple(stale)


def _count(state: QueueState, version: str, outcomes: Counter[str], service_us: int) -> None:
    failed = outcomes["failed"] + outcomes["dead"]
    told = {"completed": outcomes["completed"], "failed": failed, "dead": outcomes["dead"], "service_us": service_us}
    if any(told.values()):
        state.of_version(version).update(told)


def _settle_one(state: QueueState, entry: Settlement) -> str:
    """What it counts as. A kind whose job is gone afterwards frees its slot by forgetting it."""
    job_id, kind = str(entry[1]), str(entry[0])
    if kind in ("done", "result", "cancel"):
        return _end(state, job_id, entry)
    free_slot(state, job_id)
    if cancel_pending(state, job_id):
        return "released" if kind == "release" else "failed"
    return _go_on(state, job_id, entry)


def _end(state: QueueState, job_id: str, entry: Settlement) -> str:
    """leased → done."""
    if entry[0] == "cancel":
        note_end(state, job_id, "cancelled")
        forget(state, job_id)
        state.count["cancelled"] += 1
        return "cancelled"
    forget(state, job_id)
    match entry:
        case ("result", _, _, result, int(ttl_ms), str(task), int(most)):
            keep_result(state, job_id, _bytes(result), ttl_ms, task, most)
    return "completed"


def _go_on(state: QueueState, job_id: str, entry: Settlement) -> str:
    """leased → scheduled | ready | dead."""
    match entry:
        case ("retry", _, _, int(attempts), int(delay_ms), _):
            set_attempts(state, job_id, attempts)
            if delay_ms > 0:
                schedule(state, job_id, state.ms + delay_ms)
            else:
                ready_now(state, job_id)
            return "failed"
        case ("release", _, _, str(ready_us), int(delay_ms)):
            if delay_ms:
                schedule(state, job_id, state.ms + delay_ms)
            else:
                push_ready(state, [(job_id, int(ready_us))])
            state.count["released"] += 1
            return "released"
        case ("bury", _, _, str(task), str(reason), record, _, _, int(attempts)):
            set_attempts(state, job_id, attempts)
            bury(state, job_id, Death(task, reason, decode_death(_bytes(record))))
            return "dead"
    raise AssertionError(f"no settlement is called {entry[0]!r}")


def _bytes(packed: str | int | msgspec.Raw) -> bytes:
    """What `lua_string` has packed: a byte that says so, four of length, then the bytes."""
    return bytes(memoryview(packed))[5:] if isinstance(packed, msgspec.Raw) else b""


def reap(state: QueueState, caller: str) -> None:
    """Fences one session whose lease has ended and moves some of its jobs; the caller is left to others."""
    if state.ms >= state.spares_until:
        expired = [sid for sid, _ in state.sess.until(state.ms) if sid != caller]
        if expired:
            state.sess.discard(expired[0])
            state.reaping.put(expired[0], state.ms)
            state.idle.discard(expired[0])
    if (head := state.reaping.first()) is not None:
        _reap_one(state, head[0])


def _reap_one(state: QueueState, sid: str) -> None:
    session = state.sessions[sid]
    for job_id in list(session.own)[:AT_ONCE]:
        del session.own[job_id]
        free_slot(state, job_id)
        _abandon(state, job_id)
    if not session.own:
        state.reaping.discard(sid)
        del state.sessions[sid]
        if state.alone == sid:
            state.alone = None


def _abandon(state: QueueState, job_id: str) -> None:
    """A crash is no attempt; after CRASH_LIMIT of them the job is dead."""
    state.count["crashed"] += 1
    if cancel_pending(state, job_id):
        return
    if job_id not in state.jobs:
        drop_mark(state, job_id)
        return
    crashes = state.crash[job_id] = state.crash.get(job_id, 0) + 1
    if crashes < CRASH_LIMIT:
        ready_now(state, job_id)
        return
    message = f"the worker died {crashes} times while running this job"
    attempts = state.jobs[job_id][1]
    bury(state, job_id, Death(state.task_of(job_id), "WorkerCrashed", DeathRecord(message, attempts, crashes)))
