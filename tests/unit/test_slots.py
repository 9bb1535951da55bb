"""Slots are shared by weight, none lies empty while a queue has work, and no queue starves."""

from __future__ import annotations

from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.worker.slots import Share, Slots


def serve(total: int, weights: list[int], jobs: int, *, had: list[float] | None = None) -> tuple[list[int], int]:
    """All queues always have work, each job takes one turn; jobs served by queue, and the most slots left empty."""
    slots = Slots(total)
    shares = [slots.open_share(weight) for weight in weights]
    for share, before in zip(shares, had or [], strict=False):
        share.had = before
    served, empty, running = [0] * len(weights), 0, deque[Share]()
    while sum(served) < jobs:
        asked = True
        while asked:
            asked = False
            for share in shares:
                grant = slots.take(share)
                running.extend([share] * grant)
                asked = asked or grant > 0
        empty = max(empty, slots.free)
        share = running.popleft()
        slots.give_back(share, 1)
        served[shares.index(share)] += 1
    return served, empty


@pytest.mark.parametrize(
    ("total", "weights", "shares"),
    [
        (100, [1], [1.0]),
        (10, [1, 1], [0.5, 0.5]),
        (10, [3, 1], [0.75, 0.25]),
        (3, [1, 1], [0.5, 0.5]),
        (2, [3, 1], [0.75, 0.25]),
        (1, [1, 1], [0.5, 0.5]),
        (1, [3, 1], [0.75, 0.25]),
        (1, [5, 3, 2], [0.5, 0.3, 0.2]),
        (7, [5, 3, 2], [0.5, 0.3, 0.2]),
    ],
)
def test_hungry_queues_share_by_weight_and_leave_nothing_empty(
    total: int, weights: list[int], shares: list[float]
) -> None:
    served, empty = serve(total, weights, 2000)
    assert [count / sum(served) for count in served] == pytest.approx(shares, abs=0.02)
    assert empty == 0


def test_one_exchange_takes_half_at_most_so_that_the_other_lane_can_ask() -> None:
    slots = Slots(10)
    share = slots.open_share(1)
    assert [slots.take(share), slots.take(share), slots.take(share)] == [5, 5, 0]
    assert slots.busy == 10


def test_a_queue_without_work_costs_the_others_nothing() -> None:
    slots = Slots(10)
    busy, still = slots.open_share(1), slots.open_share(9)
    still.hungry = False
    assert [slots.take(busy), slots.take(busy)] == [5, 5]


def test_nobody_saves_up_while_not_hungry() -> None:
    slots = Slots(1)
    old, new = slots.open_share(1), slots.open_share(1)
    new.hungry = False
    for _ in range(1000):
        assert slots.take(old) == 1
        slots.give_back(old, 1)
    new.hungry, turns = False, []
    for _ in range(20):
        chosen = new if slots.take(new) else old
        if chosen is old:
            assert slots.take(old) == 1
        chosen.hungry = True
        slots.give_back(chosen, 1)
        turns.append(chosen)
    assert 8 <= turns.count(old) <= 12


def test_a_queue_that_trickles_is_not_shut_out_by_one_that_wakes() -> None:
    slots = Slots(1)
    trickle, sleeper = slots.open_share(1), slots.open_share(1)
    trickle.hungry = sleeper.hungry = False
    for _ in range(1000):
        slots.take(trickle)
        slots.give_back(trickle, 1)
    assert slots.take(sleeper) == 1
    sleeper.hungry = True
    slots.give_back(sleeper, 1)
    assert slots.take(trickle) == 1


def test_unused_slots_count_for_nothing() -> None:
    slots = Slots(4)
    share = slots.open_share(2)
    asked = slots.take(share)
    slots.give_back_unused(share, asked)
    assert (share.had, share.held, slots.free) == (0, 0, 4)


@given(
    total=st.integers(1, 20),
    weights=st.lists(st.integers(1, 10), min_size=1, max_size=5),
    had=st.lists(st.floats(0, 5), max_size=5),
)
def test_no_slot_stays_empty_and_everybody_is_served(total: int, weights: list[int], had: list[float]) -> None:
    served, empty = serve(total, weights, 40 * sum(weights), had=had)
    assert empty == 0
    assert all(served)
