"""Who wakes whom in a consumer: nothing that is ready to be told may wait for an accident."""

from __future__ import annotations

import pytest

from headrace.worker.consumer import Consumer
from headrace.worker.outcome import DONE
from headrace.worker.run import Run
from support.worker_parts import make_parts


@pytest.fixture
async def consumer() -> Consumer:
    """Connected to nothing; no lane runs."""
    return Consumer("q", 1, make_parts(), {})


def finish(consumer: Consumer, job: str) -> None:
    consumer._settle(Run(job, b"", "0.1", 0, 0), DONE, 1)


def awake(consumer: Consumer) -> bool:
    return any(lane.poke.is_set() for lane in consumer._lanes)


async def test_a_finished_job_wakes_a_lane(consumer: Consumer) -> None:
    finish(consumer, "a")
    assert awake(consumer)


async def test_a_finished_job_wakes_a_lane_also_when_something_is_to_be_said_again(consumer: Consumer) -> None:
    """What the keeper puts back wakes nobody; with all slots busy no lane is idle, and none would look."""
    consumer._outbox.put_again(("done", "old", "0.1"))
    finish(consumer, "a")
    assert awake(consumer)


async def test_a_lane_in_flight_looks_when_it_lands_and_is_not_woken_for_each(consumer: Consumer) -> None:
    consumer._in_flight.add(consumer._lanes[0])
    finish(consumer, "a")
    consumer._lanes[1].poke.clear()
    finish(consumer, "b")
    assert not awake(consumer)
