"""Marks, slots of limit keys, and rates. As lib/marks.lua, rate.lua and the halves of limits.lua that need no claim."""

from __future__ import annotations

from collections.abc import Mapping

from headrace.brokers.memory.ready import push_ready
from headrace.brokers.memory.state import QueueState, Rule

WHOLE = ""
"""Name of the rule that holds for the whole queue."""


def allowance(now_us: int, tat: int, rule: Rule) -> tuple[int, int]:
    """The token bucket as its theoretical arrival time (GCRA): how many may go now, and from when, µs, one may."""
    _, interval, burst = rule
    since = max(tat, now_us)
    return (burst * interval + now_us - since) // interval, since - (burst - 1) * interval


def _rescaled(now_us: int, tat: int, old: int, new: int) -> int:
    """A rule that changes takes what is spent along: the time until the bucket is full again, at the new interval."""
    return tat if tat <= now_us or old == new else now_us - (now_us - tat) * new // old


def _keep_arrival(state: QueueState, key: str, tat: int, name: str, rule: Rule) -> None:
    state.tats.put(key, (tat, name, rule[1]), state.ms, tat // 1000 + 1)


def _arrival_of(state: QueueState, key: str, name: str, rule: Rule) -> int:
    kept = state.tats.get(key, state.ms)
    if kept is None:
        return 0
    tat, of, interval = kept
    if of != name or interval == rule[1]:
        return tat
    tat = _rescaled(state.now_us, tat, interval, rule[1])
    _keep_arrival(state, key, max(tat, state.now_us), name, rule)
    return tat


def allowed(state: QueueState, key: str, name: str, rule: Rule) -> tuple[int, int]:
    """The allowance of a limit key under the rule of that name."""
    return allowance(state.now_us, _arrival_of(state, key, name, rule), rule)


def spend(state: QueueState, key: str, name: str, rule: Rule) -> None:
    """One more of it has gone."""
    tat = max(_arrival_of(state, key, name, rule), state.now_us) + rule[1]
    _keep_arrival(state, key, tat, name, rule)


def take_rules(state: QueueState, packed: bytes, rules: Mapping[str, Rule]) -> None:
    """Of a session that joins: reads go by them, and what waits under other rules is looked at anew."""
    if packed == state.rules:
        return
    before, state.rules, state.whole = state.whole, packed, rules.get(WHOLE)
    if state.whole is not None:
        _, interval, burst = state.whole
        tat = _rescaled(state.now_us, state.whole_tat, before[1] if before else interval, interval)
        state.whole_tat = min(tat, state.now_us + burst * interval)
    for key in state.kdue:
        state.kdue.put(key, min(state.kdue.score(key) or 0, state.ms))


def unpark(state: QueueState, key: str, most: int) -> int:
    """parked → ready: the longest waiting first, each to where it stood."""
    waiting = state.parked.get(key)
    popped = waiting.pop(most) if waiting is not None else []
    if len(popped) < most:
        state.kdue.discard(key)
    if waiting is not None and not waiting:
        del state.parked[key]
    push_ready(state, popped)
    return len(popped)


def is_parked(state: QueueState, job_id: str) -> bool:
    """By the limit key of its mark."""
    mark = state.marks.get(job_id)
    return mark is not None and job_id in state.parked.get(mark.limit_key, ())


def parked_count(state: QueueState) -> int:
    """Of all keys."""
    return sum(map(len, state.parked.values()))


def _free(state: QueueState, key: str, job_id: str) -> bool:
    holders = state.running.get(key)
    if holders is None or job_id not in holders:
        return False
    holders.discard(job_id)
    if not holders:
        del state.running[key]
    return True


def free_slot(state: QueueState, job_id: str) -> None:
    """It has just left its session: the next of its key may go."""
    mark = state.marks.get(job_id)
    if mark is not None and mark.limit_key and _free(state, mark.limit_key, job_id):
        unpark(state, mark.limit_key, 1)


def _unlock(state: QueueState, job_id: str, unique: str) -> None:
    if unique and state.uniques.get(unique, state.ms) == job_id:
        state.uniques.discard(unique)


def end_uniqueness(state: QueueState, job_id: str) -> None:
    """It keeps others of its unique key out no longer; its mark stays."""
    if mark := state.marks.get(job_id):
        _unlock(state, job_id, mark.unique)


def drop_mark(state: QueueState, job_id: str) -> int:
    """It is no more. Says how many jobs that has let out."""
    mark = state.marks.pop(job_id, None)
    if mark is None:
        return 0
    _unlock(state, job_id, mark.unique)
    key = mark.limit_key
    if not key:
        return 0
    waiting = state.parked.get(key)
    was_parked = waiting is not None and waiting.discard(job_id)
    if waiting is not None and not waiting:
        del state.parked[key]
        state.kdue.discard(key)
    # one that was parked held nothing; one that was ready may have been the one let out
    return unpark(state, key, 1) if _free(state, key, job_id) or not was_parked else 0


def let_out_due(state: QueueState) -> None:
    """parked → ready: keys whose rate lets a job go again."""
    for key, _ in state.kdue.until(state.ms)[:100]:
        state.kdue.discard(key)
        unpark(state, key, 1)
