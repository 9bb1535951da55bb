"""E7: what is planned, from what Redis holds and what its clock says."""

from __future__ import annotations

import pytest

from headrace.client.schedule import Every
from headrace.contract.stats import PlannedTick
from headrace.worker.ticks import CATCH_UP_MS, TAKE_OVER_MS, Plan, Wait, decide

MINUTE = 60_000
EACH_MINUTE = Every(60)
HOUR = 60 * MINUTE


def held(due_ms: int, schedule: str = EACH_MINUTE.text) -> PlannedTick:
    return PlannedTick(due_ms=due_ms, schedule=schedule)


@pytest.mark.parametrize(
    ("seen", "now", "starting", "decision"),
    [
        (None, 90_000, True, Plan((2 * MINUTE,), None, "first plan")),
        (None, 90_000, False, Plan((2 * MINUTE,), None, "first plan")),
        (held(2 * MINUTE), 90_000, True, Wait(2 * MINUTE, "planned")),
        (held(2 * MINUTE), 2 * MINUTE, False, Plan((3 * MINUTE,), None, "followed")),
        # a worker that was held up
        (held(2 * MINUTE), 3 * MINUTE + 5, False, Plan((3 * MINUTE, 4 * MINUTE), None, "held up")),
        (held(2 * MINUTE), 7 * MINUTE + 30_000, False, Plan((7 * MINUTE, 8 * MINUTE), None, "held up")),
        # nobody was there
        (held(2 * MINUTE), 2 * MINUTE + 9, True, Plan((3 * MINUTE,), None, "the standing tick")),
        (
            held(2 * MINUTE),
            7 * MINUTE + 30_000,
            True,
            Plan((7 * MINUTE, 8 * MINUTE), 2 * MINUTE, "missed while no worker was there"),
        ),
        # another version's schedule
        (held(9 * MINUTE, "every 9"), MINUTE, False, Wait(9 * MINUTE + TAKE_OVER_MS, "another version plans")),
        (held(9 * MINUTE, "every 9"), MINUTE, True, Plan((2 * MINUTE,), 9 * MINUTE, "the schedule has changed")),
        (held(2 * MINUTE, "every 9"), MINUTE, True, Plan((2 * MINUTE,), None, "the schedule has changed")),
        (held(MINUTE, "every 9"), MINUTE + 5, True, Plan((2 * MINUTE,), None, "the schedule has changed")),
        (
            held(MINUTE, "every 9"),
            MINUTE + TAKE_OVER_MS,
            False,
            Plan((2 * MINUTE,), None, "the schedule has changed"),
        ),
    ],
)
def test_decisions(seen: PlannedTick | None, now: int, starting: bool, decision: Plan | Wait) -> None:
    assert decide(EACH_MINUTE, seen, now, deadline_ms=HOUR, starting=starting) == decision


def test_a_living_worker_catches_up_every_tick_of_the_last_seconds() -> None:
    plan = decide(Every(1), held(1000, "every 1"), 61_500, deadline_ms=HOUR, starting=False)
    assert isinstance(plan, Plan)
    assert plan.ticks == tuple(range(52_000, 63_000, 1000))
    assert len(plan.ticks) == CATCH_UP_MS // 1000 + 1


@pytest.mark.parametrize("starting", [True, False])
def test_what_is_past_its_deadline_is_not_run(starting: bool) -> None:
    day = Every(24 * 3600)
    now = 3 * 24 * HOUR + 2 * HOUR
    plan = decide(day, held(24 * HOUR, day.text), now, deadline_ms=HOUR, starting=starting)
    assert isinstance(plan, Plan)
    assert plan.ticks == (4 * 24 * HOUR,)
    assert plan.call_off == (24 * HOUR if starting else None)
    late = decide(day, held(3 * 24 * HOUR, day.text), now, deadline_ms=HOUR, starting=True)
    assert late == Plan((4 * 24 * HOUR,), 3 * 24 * HOUR, "past its deadline")
