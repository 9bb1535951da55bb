"""Which ticks of a periodic task to plan now: a pure decision about what Redis holds and what its clock says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from headrace.client.schedule import Schedule
from headrace.contract.stats import PlannedTick

CATCH_UP_MS: Final = 10_000
"""A worker that lives but was held up this long plans every tick it has missed, not only the latest."""
TAKE_OVER_MS: Final = 10_000
"""A tick planned by another schedule of the same task (another version's) that nobody has followed up for so long."""


@dataclass(frozen=True)
class Plan:
    """Plan these ticks, earliest first; the last is the next one to come. `call_off`: the standing one, if it has not
    been looked at by any worker."""

    ticks: tuple[int, ...]
    call_off: int | None
    reason: str


@dataclass(frozen=True)
class Wait:
    """Nothing to plan until then, Unix ms on the Redis clock."""

    until: int
    reason: str


def decide(
    schedule: Schedule, held: PlannedTick | None, now_ms: int, *, deadline_ms: int, starting: bool
) -> Plan | Wait:
    """held: the latest planned tick. starting: this worker has not claimed yet, so a due tick that is still scheduled
    has had no worker at all. Raises StopIteration when the schedule has come to its end."""
    if held is None:
        return Plan((schedule.next_after(now_ms),), None, "first plan")
    if held.schedule != schedule.text:
        return _other_schedule(schedule, held, now_ms, deadline_ms, starting)
    if held.due_ms > now_ms:
        return Wait(held.due_ms, "planned")
    if starting:
        return _after_absence(schedule, held, now_ms, deadline_ms)
    return _follow(schedule, held, now_ms, deadline_ms)


def _other_schedule(
    schedule: Schedule, held: PlannedTick, now_ms: int, deadline_ms: int, starting: bool
) -> Plan | Wait:
    if not starting and now_ms - held.due_ms < TAKE_OVER_MS:
        return Wait(held.due_ms + TAKE_OVER_MS, "another version plans")
    following = schedule.next_after(now_ms)
    obsolete = (held.due_ms > now_ms and held.due_ms != following) or now_ms - held.due_ms > deadline_ms
    return Plan((following,), held.due_ms if obsolete else None, "the schedule has changed")


def _after_absence(schedule: Schedule, held: PlannedTick, now_ms: int, deadline_ms: int) -> Plan:
    """Of what was missed the latest runs, unless it is past its deadline."""
    latest, following = schedule.latest_until(now_ms), schedule.next_after(now_ms)
    runs = now_ms - latest <= deadline_ms
    if latest <= held.due_ms:
        return Plan((following,), None if runs else held.due_ms, "the standing tick" if runs else "past its deadline")
    return Plan((latest, following) if runs else (following,), held.due_ms, "missed while no worker was there")


def _follow(schedule: Schedule, held: PlannedTick, now_ms: int, deadline_ms: int) -> Plan:
    late = []
    tick = schedule.next_after(max(held.due_ms, now_ms - CATCH_UP_MS))
    while tick <= now_ms:
        late.append(tick)
        tick = schedule.next_after(tick)
    if not late and held.due_ms < (latest := schedule.latest_until(now_ms)) and now_ms - latest <= deadline_ms:
        late = [latest]
    return Plan((*late, tick), None, "held up" if late else "followed")
