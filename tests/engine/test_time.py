"""What the passing of time does: jobs fall due, leases end, an outage ends none."""

from __future__ import annotations

import pytest

from headrace.wire.link import Link
from headrace.worker.outcome import Retried, settlement
from support.queue_driver import LEASE_MS, QueueDriver, Special

pytestmark = pytest.mark.everywhere

THIRD = LEASE_MS // 3


async def pass_time(queue: QueueDriver, ms: int, *renewing: str) -> None:
    """In steps that no outage guard takes for a gap, these sessions renewing their leases."""
    while ms > 0:
        step = min(ms, THIRD)
        await queue.advance(step)
        await queue.enqueue()
        for sid in renewing:
            await queue.renew(sid)
        ms -= step


@pytest.mark.parametrize("special", [Special("d", delay_ms=5_000), Special("d", at_ms=1)], ids=["delay", "past"])
async def test_delayed_jobs_wait_and_past_ones_do_not(queue: QueueDriver, special: Special) -> None:
    await queue.join("s")
    await queue.enqueue(specials=[special])
    assert (await queue.exchange("s", 1)).ids == (() if special.delay_ms else ("d",))


async def test_a_job_is_promoted_when_due_and_not_a_millisecond_earlier(queue: QueueDriver) -> None:
    await queue.join("s")
    due = queue.now_ms + 5_000
    await queue.enqueue(specials=[Special("d", at_ms=due)])
    await queue.advance(4_999)
    early = await queue.exchange("s", 1)
    assert (early.ids, early.next_due_ms) == ((), due)
    await queue.advance(1)
    assert (await queue.stats()).due == 1
    got = await queue.exchange("s", 1)
    assert (got.ids, got.ready_us) == (("d",), (due * 1000,))


async def test_due_jobs_go_before_younger_ready_ones(queue: QueueDriver) -> None:
    await queue.join("s")
    await queue.enqueue(specials=[Special("d", delay_ms=1_000)])
    await queue.advance(2_000)
    await queue.enqueue(["young"])
    assert (await queue.exchange("s", 2)).ids == ("d", "young")


async def test_promotion_is_bounded_and_catches_up(queue: QueueDriver) -> None:
    await queue.join("s")
    await queue.enqueue(specials=[Special(f"d{i:03}", delay_ms=10 + i) for i in range(250)])
    await queue.advance(1_000)
    claimed = [(await queue.exchange("s", 90)).ids for _ in range(4)]
    assert [len(ids) for ids in claimed] == [90, 90, 70, 0]
    assert claimed[0][0] == "d000"


async def test_a_retry_runs_again_after_its_delay(queue: QueueDriver) -> None:
    await queue.join("s")
    await queue.enqueue(["a"])
    got = await queue.exchange("s", 1)
    await queue.exchange("s", others=[settlement("a", got.claim, Retried(1, 3_000, "boom"))])
    assert (await queue.exchange("s", 1)).ids == ()
    await queue.advance(3_000)
    assert (await queue.exchange("s", 1)).ids == ("a",)


async def test_a_lease_ends_at_its_deadline(queue: QueueDriver) -> None:
    await queue.join("dead")
    await queue.join("live")
    await queue.enqueue(["a", "b"])
    await queue.exchange("dead", 2)
    await pass_time(queue, LEASE_MS - 1, "live")
    assert (await queue.exchange("live", 5)).ids == ()
    assert (await queue.stats()).expired_sessions == 0
    await queue.advance(1)
    assert (await queue.stats()).expired_sessions == 1
    got = await queue.exchange("live", 5)
    assert (set(got.ids), got.crashes) == ({"a", "b"}, (1, 1))
    snapshot = await queue.look()
    assert snapshot.counter("crashed") == 2
    assert set(snapshot.zsets["sess"]) == {"live"}


async def test_renewal_keeps_a_lease(queue: QueueDriver) -> None:
    await queue.join("s")
    await queue.join("other")
    await queue.enqueue(["a"])
    await queue.exchange("s", 1)
    await pass_time(queue, 3 * LEASE_MS, "s", "other")
    assert (await queue.exchange("other", 1)).ids == ()
    assert (await queue.renew("s"))[:3] == [b"OK", queue.now_ms, 1]


async def test_an_expired_session_that_speaks_does_not_reap_itself(queue: QueueDriver) -> None:
    await queue.join("s")
    await queue.enqueue(["a", "b"])
    got = await queue.exchange("s", 1)
    await pass_time(queue, LEASE_MS + 1)
    more = await queue.exchange("s", 1, done=got.done)
    assert (more.status, more.stale, more.ids) == ("OK", (), ("b",))
    assert await queue.states() == {"b": {"leased:s"}}


async def test_an_expired_caller_reaps_the_others(queue: QueueDriver) -> None:
    await queue.join("s1")
    await queue.join("s2")
    await queue.enqueue(["a", "b"])
    await queue.exchange("s1", 1)
    await queue.exchange("s2", 1)
    await pass_time(queue, LEASE_MS + 1)
    assert (await queue.exchange("s1", 1)).ids == ("b",)


async def test_an_outage_ends_nobodys_lease(queue: QueueDriver) -> None:
    await queue.join("s")
    await queue.join("other")
    await queue.enqueue(["a"])
    await queue.exchange("s", 1)
    await queue.advance(10 * LEASE_MS)
    assert (await queue.exchange("other", 1)).ids == ()
    assert (await queue.renew("s"))[0] == b"OK"
    await pass_time(queue, LEASE_MS - 1, "other")
    assert (await queue.exchange("other", 1)).ids == ()
    await pass_time(queue, 1, "other")
    assert (await queue.exchange("other", 1)).ids == ("a",), "a whole lease after the outage the guard must lapse"


async def test_the_clock_never_goes_back(queue: QueueDriver) -> None:
    await queue.join("s")
    await queue.enqueue(["a"])
    await queue.advance(-LEASE_MS)
    await queue.enqueue(["b"])
    got = await queue.exchange("s", 2)
    assert got.ids == ("a", "b")
    assert got.ready_us[0] < got.ready_us[1]


async def test_reaping_goes_in_chunks_and_loses_none(link: Link) -> None:
    queue = QueueDriver(link, constants={"CHUNK": 3})
    await queue.hold_clock()
    await queue.join("dead")
    await queue.join("live")
    await queue.enqueue([f"j{i}" for i in range(8)])
    await queue.exchange("dead", 8)
    await pass_time(queue, LEASE_MS, "live")
    seen = []
    for _ in range(4):
        seen.append(len((await queue.exchange("live", 100)).ids))
        assert not (await queue.look()).misplaced()
        assert (await queue.exchange("dead", 1)).status == "LOST"
    assert seen == [3, 3, 2, 0]
    assert (await queue.look()).zsets["reaping"] == {}


async def test_a_sid_that_is_being_reaped_cannot_join_again(link: Link) -> None:
    queue = QueueDriver(link, constants={"CHUNK": 1})
    await queue.hold_clock()
    await queue.join("dead")
    await queue.join("live")
    await queue.enqueue(["a", "b"])
    await queue.exchange("dead", 2)
    await pass_time(queue, LEASE_MS, "live")
    await queue.exchange("live")
    assert (await queue.join("dead"))[0] == b"LOST"
    await queue.exchange("live")
    assert (await queue.look()).ready == 2


async def test_a_session_known_to_be_gone_is_reaped_at_once(queue: QueueDriver) -> None:
    await queue.join("s")
    await queue.enqueue([f"j{i}" for i in range(1_000)])
    await queue.exchange("s", 1_000)
    assert await queue.run("reap_session", "s") == 1_000
    assert await queue.run("reap_session", "s") == 0
    snapshot = await queue.look()
    assert (snapshot.ready, snapshot.counter("crashed"), snapshot.zsets["reaping"]) == (1_000, 1_000, {})
    assert (await queue.exchange("s", 1)).status == "LOST"
