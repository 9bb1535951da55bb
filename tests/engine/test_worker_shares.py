"""E8 on real workers: several queues by weight, priorities in a queue; none starves, no slot lies empty."""

from __future__ import annotations

from collections import Counter

import pytest

from support.apps import shares
from support.lab import Lab
from support.polling import eventually

pytestmark = pytest.mark.parametrize("redis_server", ["valkey"], indirect=True)


async def _fill(lab: Lab, jobs: int, seconds: float = 0.01) -> None:
    lab.use(shares.fleet)
    for task in (shares.on_a, shares.on_b):
        await task.enqueue_many([{"mark": "", "seconds": seconds}] * jobs)


@pytest.mark.parametrize("slots", [1, 8])
async def test_queues_are_served_by_weight(lab: Lab, slots: int) -> None:
    await _fill(lab, 150)
    await lab.start("shares", "--queues", "a=3,b=1", WORKER_COUNT=str(slots))
    await eventually(lambda: len(lab.notes("work")) >= 120)
    first = Counter(note["queue"] for note in lab.notes("work")[20:120])
    assert 68 <= first["a"] <= 82


async def test_no_slot_lies_empty_while_a_queue_has_work(lab: Lab) -> None:
    await _fill(lab, 6, seconds=0.3)
    await lab.start("shares", WORKER_COUNT="3")
    await eventually(lambda: len(lab.ended()) == 12)
    running = most = 0
    for line in lab.runs():
        running += 1 if line.event == "start" else -1
        most = max(most, running)
    assert most == 3


async def test_only_the_queues_asked_for_are_served(lab: Lab) -> None:
    await _fill(lab, 5)
    await lab.start("shares", HEADRACE_QUEUES="b")
    await eventually(lambda: len(lab.ended()) == 5)
    assert (await lab.stats("a")).ready == 5
    assert await lab.idle("b")


async def test_an_attribute_can_name_one_queue(lab: Lab) -> None:
    await _fill(lab, 5)
    worker = await lab.start("support.apps.shares:a")
    await eventually(lambda: len(lab.ended()) == 5)
    assert worker.lines("worker started")[0]["queues"] == "a"
    assert (await lab.stats("b")).ready == 5


async def test_priorities_share_6_to_3_to_1(lab: Lab) -> None:
    lab.use(shares.fleet)
    for priority in ("low", "default", "high"):
        task = shares.on_a.options(priority=priority)
        await task.enqueue_many([{"mark": priority, "seconds": 0.0}] * 60)
    await lab.start("shares", "--queues", "a", WORKER_COUNT="1")
    await eventually(lambda: len(lab.notes("work")) == 180)
    first = Counter(note["mark"] for note in lab.notes("work")[:50])
    assert (first["high"], first["default"], first["low"]) == (30, 15, 5)
