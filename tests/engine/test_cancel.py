"""Cancelling a job in each state, and what becomes of one that was running."""

from __future__ import annotations

import pytest

from headrace.contract.envelope import DeathRecord
from headrace.worker.outcome import Buried, Cancelled, Outcome, Released, Retried, settlement
from support.queue_driver import QueueDriver, Special

pytestmark = pytest.mark.everywhere

DEATH = Buried("t", "E", DeathRecord("E", attempts=1, crashes=0), 1)


async def running(queue: QueueDriver) -> str:
    """Job a runs in session s; returns its claim."""
    await queue.join("s")
    await queue.enqueue(["a"])
    claim = (await queue.exchange("s", 1)).claim
    assert await queue.cancel("a") == "cancelling"
    return claim


async def assert_cancelled_once(queue: QueueDriver) -> None:
    snapshot = await queue.look()
    assert (snapshot.places, snapshot.counter("cancelled")) == ({}, 1)
    assert not snapshot.leftovers()
    assert await queue.cancel("a") == "unknown"


@pytest.mark.parametrize(
    "special",
    [Special("a"), Special("a", priority="high"), Special("a", priority="low"), Special("a", delay_ms=1_000)],
    ids=["default", "high", "low", "scheduled"],
)
async def test_a_waiting_job_is_gone_at_once(queue: QueueDriver, special: Special) -> None:
    await queue.enqueue(specials=[special])
    assert await queue.cancel("a") == "cancelled"
    await assert_cancelled_once(queue)


async def test_a_suspect_and_a_parked_job_too(queue: QueueDriver) -> None:
    await queue.enqueue(["a"])
    await queue.link.request("ZREM", queue.key("ready:default"), "a")
    await queue.link.request("SADD", queue.key("parked"), "a")
    assert await queue.cancel("a") == "cancelled"
    await assert_cancelled_once(queue)


async def test_dead_and_unknown_jobs_stay_as_they_are(queue: QueueDriver) -> None:
    await queue.join("s")
    await queue.enqueue(["a"])
    got = await queue.exchange("s", 1)
    await queue.exchange("s", others=[settlement("a", got.claim, DEATH)])
    assert await queue.cancel("a") == "dead"
    assert await queue.cancel("never") == "unknown"
    assert await queue.place("a") == "dead"


async def test_the_holder_of_a_running_job_hears_of_it(queue: QueueDriver) -> None:
    claim = await running(queue)
    await queue.join("other")
    assert (await queue.renew("s"))[3] == [b"a"]
    assert (await queue.renew("other"))[3] == []
    assert (await queue.exchange("s")).cancelled == ("a",)
    assert (await queue.exchange("other")).cancelled == ()
    await queue.exchange("s", others=[settlement("a", claim, Cancelled())])
    await assert_cancelled_once(queue)


@pytest.mark.parametrize(
    "outcome", [Retried(1, 0, "boom"), Retried(1, 500, "boom"), Released(5), Released(5, 500), DEATH], ids=repr
)
async def test_a_cancelled_job_never_runs_again(queue: QueueDriver, outcome: Outcome) -> None:
    claim = await running(queue)
    await queue.exchange("s", others=[settlement("a", claim, outcome)])
    await assert_cancelled_once(queue)


async def test_done_before_the_cancellation_was_heard_is_done(queue: QueueDriver) -> None:
    claim = await running(queue)
    await queue.exchange("s", done={claim: ["a"]})
    snapshot = await queue.look()
    assert (snapshot.places, snapshot.counter("cancelled"), snapshot.completed()) == ({}, 0, 1)
    assert not snapshot.leftovers()


@pytest.mark.parametrize("how", ["leave", "reap_session"])
async def test_a_session_that_goes_takes_its_cancelled_jobs_along(queue: QueueDriver, how: str) -> None:
    await running(queue)
    await queue.run(how, "s")
    await assert_cancelled_once(queue)
