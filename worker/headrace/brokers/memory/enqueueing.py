"""(new) → ready | scheduled, unless its id or unique key is taken; and planned ticks. As enqueue.lua and plan.lua."""

from __future__ import annotations

from collections.abc import Sequence

from headrace.brokers.memory.endings import forget, note_end
from headrace.brokers.memory.ready import ready_now, schedule, wake
from headrace.brokers.memory.state import QueueState
from headrace.brokers.protocol import Planned
from headrace.contract.entry import Entry, Standing
from headrace.contract.protocol import Priority
from headrace.contract.stats import PlannedTick
from headrace.errors import QueueUnavailableError


def enqueue(state: QueueState, producer: str, seq: int, keep_ms: int, entries: Sequence[Entry]) -> dict[int, Standing]:
    """The same (producer, seq) answers as before."""
    last = state.producers.get(producer)
    if last is not None and last[0] == seq:
        return last[1]
    if last is not None and last[0] > seq:
        raise QueueUnavailableError("OVERTAKEN a later call of this producer was answered")
    standing: dict[int, Standing] = {}
    added = 0
    for place, entry in enumerate(entries):
        first = _first_of(state, entry)
        if first is not None:
            standing[place] = first
        else:
            added += _add(state, entry, keep_ms)
    state.count["enqueued"] += len(entries) - len(standing)
    state.producers[producer] = (seq, standing)
    if added:
        wake(state, added)
    return standing


def _first_of(state: QueueState, entry: Entry) -> Standing | None:
    """The job that stands in its way, and whether it is another under the same idempotency key."""
    mark = entry.mark
    if entry.given:
        known = state.given.get(entry.id, state.ms)
        if known is None and entry.id in state.jobs:
            known = state.marks[entry.id].fingerprint if entry.id in state.marks else ""
        if known is None:
            return _first_of_key(state, entry)
        wanted = mark.fingerprint if mark else ""
        return Standing(entry.id, bool(known and wanted and known != wanted))
    return _first_of_key(state, entry)


def _first_of_key(state: QueueState, entry: Entry) -> Standing | None:
    if entry.mark is None or not entry.mark.unique:
        return None
    holder = state.uniques.get(entry.mark.unique, state.ms)
    return Standing(holder, False) if holder in state.jobs else None


def _add(state: QueueState, entry: Entry, keep_ms: int) -> bool:
    """Whether it is ready at once."""
    mark = entry.mark
    if entry.given:
        state.given.put(entry.id, mark.fingerprint if mark else "", state.ms, state.ms + keep_ms)
    if mark is not None:
        state.marks[entry.id] = mark
        if mark.unique:
            state.uniques.put(mark.unique, entry.id, state.ms, state.ms + mark.unique_ms)
    state.jobs[entry.id] = entry.value
    if entry.priority is not Priority.DEFAULT:
        state.prio[entry.id] = entry.priority
    due_ms = state.ms + entry.delay_ms if entry.delay_ms else entry.at_ms
    if due_ms > state.ms:
        schedule(state, entry.id, due_ms)
        return False
    ready_now(state, entry.id)
    return True


def plan(
    state: QueueState,
    task: str,
    seen: PlannedTick | None,
    wanted: PlannedTick | None,
    standing: str,
    entries: Sequence[Entry],
) -> Planned:
    """Refused when another was faster: then `ticks` is not as it was seen."""
    held = state.ticks.get(task)
    if wanted is None or held != seen:
        return Planned(state.ms, held, False)
    new = [entry for entry in entries if entry.id not in state.jobs]
    for entry in new:
        state.jobs[entry.id] = entry.value
        if entry.mark is not None:
            state.marks[entry.id] = entry.mark
        schedule(state, entry.id, entry.at_ms)
    state.ticks[task] = wanted
    state.count["enqueued"] += len(new)
    if standing and state.sched.discard(standing):
        note_end(state, standing, "cancelled")
        if forget(state, standing):
            wake(state, 1)
        state.count["cancelled"] += 1
    return Planned(state.ms, wanted, True)
