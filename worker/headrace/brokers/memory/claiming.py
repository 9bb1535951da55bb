"""ready → leased | parked: shares, suspects, limits. As lib/claim.lua and limits.lua."""

from __future__ import annotations

from dataclasses import dataclass, field

from headrace.brokers.memory.limits import WHOLE, allowance, allowed, spend, unpark
from headrace.brokers.memory.ready import push_ready, ready_count
from headrace.brokers.memory.scored import Scored
from headrace.brokers.memory.state import PRIORITIES, QueueState, Rule, Session
from headrace.contract.protocol import Priority

WEIGHT = {Priority.HIGH: 6, Priority.DEFAULT: 3, Priority.LOW: 1}
MOST_LOOKS = 1000
ANY: Rule = (0, 0, 0)
Popped = list[tuple[str, int]]


def claim(state: QueueState, sid: str, session: Session, n: int) -> Popped:
    """Up to n ids with their ready-at, within the limits that this session's code has."""
    whole = session.rules.get(WHOLE)
    most = min(n, allowance(state.now_us, state.whole_tat, whole)[0]) if whole else n
    if most <= 0:
        return []
    suspects = _claim_suspect(state, sid, session)
    claimed = _claim_within(state, session, most) if suspects is None else _admit(state, suspects, most, session)
    if whole and claimed:
        state.whole_tat = max(state.whole_tat, state.now_us) + len(claimed) * whole[1]
    return claimed


def _claim_within(state: QueueState, session: Session, most: int) -> Popped:
    claimed: Popped = []
    looked = 0
    while len(claimed) < most and looked < MOST_LOOKS:
        popped = _claim_ready(state, min(max(most - len(claimed), looked), MOST_LOOKS - looked))
        if not popped:
            break
        looked += len(popped)
        claimed += _admit(state, popped, most - len(claimed), session)
    return claimed


def _claim_ready(state: QueueState, n: int) -> Popped:
    """Shared over the priorities 6 : 3 : 1, the remainder carried over, one job at most."""
    waiting = {p: len(state.ready[p]) for p in PRIORITIES if state.ready[p]}
    if len(waiting) <= 1:
        return [one for p in waiting for one in state.ready[p].pop(n)]
    total = sum(WEIGHT[p] for p in waiting)
    owed = {p: state.credit.get(p, 0.0) + n * WEIGHT[p] / total for p in waiting}
    take = dict.fromkeys(waiting, 0)
    left = n
    for p, there in waiting.items():
        take[p] = max(0, min(int(owed[p]), there, left))
        owed[p] -= take[p]
        left -= take[p]
    while left > 0 and (open_ones := [p for p in waiting if take[p] < waiting[p]]):
        most_owed = max(open_ones, key=lambda p: owed[p])
        take[most_owed] += 1
        owed[most_owed] -= 1
        left -= 1
    state.credit.update({p: 0.0 if take[p] == waiting[p] else round(max(-1.0, min(owed[p], 1.0)), 6) for p in waiting})
    return [one for p in waiting for one in state.ready[p].pop(take[p])]


def _claim_suspect(state: QueueState, sid: str, session: Session) -> Popped | None:
    """A suspect runs alone, in a session set apart for it: None when this session is not that one."""
    if state.alone and state.alone != sid and state.alone in state.sess:
        return None
    if not state.suspects:
        if state.alone != sid:
            return None
        if session.own:
            return []
        state.alone = None
        return None
    state.alone = sid
    return [] if session.own else state.suspects.pop(1)


def give_up_apart(state: QueueState, sid: str, session: Session, *, claims: bool, quiet: bool) -> None:
    """The session set apart makes room for another when it will claim no more."""
    if state.alone == sid and (quiet or (not claims and not session.own)):
        state.alone = None


@dataclass
class _Key:
    name: str
    rule: Rule
    entered: bool = False
    blocked: Popped = field(default_factory=list)
    next_us: int | None = None


def _admit(state: QueueState, popped: Popped, most: int, session: Session) -> Popped:
    """Each is claimed, parked, or, when there are `most` already, put back."""
    claimed: Popped = []
    keys: dict[str, _Key] = {}
    for job_id, ready_us in popped:
        if len(claimed) >= most:
            push_ready(state, [(job_id, ready_us)])
            continue
        mark = state.marks.get(job_id)
        if mark is not None and mark.limit_key:
            about = keys.setdefault(mark.limit_key, _Key(mark.rule, ANY))
            about.name, about.rule = mark.rule, session.rules.get(mark.rule, ANY)
            if not _enter(state, mark.limit_key, about, job_id):
                about.blocked.append((job_id, ready_us))
                continue
        claimed.append((job_id, ready_us))
    budget = MOST_LOOKS
    for key, about in keys.items():
        if about.blocked:
            waiting = state.parked.setdefault(key, Scored())
            for job_id, ready_us in about.blocked:
                waiting.put(job_id, ready_us)
        elif about.entered:
            budget -= _let_out_more(state, key, about, budget)
        if about.next_us is not None:
            state.kdue.put(key, -(-about.next_us // 1000))
    return claimed


def _enter(state: QueueState, key: str, about: _Key, job_id: str) -> bool:
    """Whether its key has room for it."""
    if not _has_room(state, key, about):
        return False
    state.running.setdefault(key, set()).add(job_id)
    about.entered = True
    if about.rule[1]:
        spend(state, key, about.name, about.rule)
    return True


def _has_room(state: QueueState, key: str, about: _Key) -> bool:
    """Where it is the rate that has none, notes when it will."""
    rule = about.rule
    if rule[0] and len(state.running.get(key, ())) >= rule[0]:
        return False
    if not rule[1]:
        return True
    room, later_us = allowed(state, key, about.name, rule)
    if room < 1:
        about.next_us = later_us
    return room >= 1


def _let_out_more(state: QueueState, key: str, about: _Key, budget: int) -> int:
    """Where jobs of a key went in and none was turned away there may be room for more."""
    waiting = len(state.parked.get(key, ()))
    if not waiting or not _has_room(state, key, about):
        return 0
    rule = about.rule
    room = rule[0] - len(state.running.get(key, ())) if rule[0] else waiting
    if rule[1]:
        room = min(room, allowed(state, key, about.name, rule)[0])
    return unpark(state, key, max(1, min(room, budget)))


def next_look_ms(state: QueueState, sid: str, session: Session) -> int:
    """When a session that got nothing should ask again: something falls due, a rate lets one go; -1: when woken."""
    looks = [head[1] for head in (state.sched.first(), state.kdue.first()) if head is not None]
    if not state.paused and state.alone != sid and ready_count(state) > len(state.suspects):
        whole = session.rules.get(WHOLE)
        later_us = allowance(state.now_us, state.whole_tat, whole)[1] if whole else 0
        looks.append(max(state.ms, -(-later_us // 1000)))
    return min(looks, default=-1)
