"""ready → leased: shares of the priorities, pause and cordon, jobs whose envelope is lost."""

from __future__ import annotations

from collections import Counter

import pytest

from headrace.worker.outcome import Released, settlement
from support.queue_driver import QueueDriver, Special

pytestmark = pytest.mark.everywhere


async def fill(queue: QueueDriver, **counts: int) -> None:
    for priority, count in counts.items():
        await queue.enqueue(specials=[Special(f"{priority}-{i:04}", priority=priority) for i in range(count)])


async def taken(queue: QueueDriver, n: int, calls: int) -> list[str]:
    """The priorities in the order of the claims."""
    order: list[str] = []
    for _ in range(calls):
        order += [job_id.partition("-")[0] for job_id in (await queue.exchange("s", n)).ids]
    return order


@pytest.mark.parametrize("n", [1, 2, 3, 7, 10, 100])
async def test_priorities_share_six_three_one(queue: QueueDriver, n: int) -> None:
    await queue.join("s")
    await fill(queue, high=700, default=700, low=700)
    share = Counter(await taken(queue, n, -(-500 // n)))
    total = sum(share.values())
    for priority, weight in (("high", 6), ("default", 3), ("low", 1)):
        assert share[priority] == pytest.approx(total * weight / 10, abs=2 + 0.01 * total)


@pytest.mark.parametrize(
    ("counts", "window"),
    [
        ({"high": 100, "default": 100, "low": 100}, 11),
        ({"high": 100, "low": 100}, 8),
        ({"default": 100, "low": 100}, 5),
    ],
    ids=["all", "high and low", "default and low"],
)
async def test_nobody_starves_when_jobs_are_claimed_one_by_one(
    queue: QueueDriver, counts: dict[str, int], window: int
) -> None:
    await queue.join("s")
    await fill(queue, **counts)
    order = await taken(queue, 1, 60)
    for start in range(len(order) - window):
        assert set(order[start : start + window]) == set(counts)


async def test_a_full_batch_is_filled_from_whatever_is_there(queue: QueueDriver) -> None:
    await queue.join("s")
    await fill(queue, high=3, default=2, low=50)
    assert Counter(await taken(queue, 40, 1)) == {"high": 3, "default": 2, "low": 35}


async def test_a_priority_that_ran_empty_saves_nothing_up(queue: QueueDriver) -> None:
    await queue.join("s")
    await fill(queue, high=2, low=300)
    await taken(queue, 50, 4)
    await queue.enqueue(specials=[Special(f"high-again-{i}", priority="high") for i in range(100)])
    share = Counter(await taken(queue, 10, 5))
    assert share["high"] == pytest.approx(50 * 6 / 7, abs=2)


async def test_a_released_job_keeps_its_priority(queue: QueueDriver) -> None:
    await queue.join("s")
    await fill(queue, high=1)
    got = await queue.exchange("s", 1)
    await queue.exchange("s", others=[settlement(got.ids[0], got.claim, Released(got.ready_us[0]))])
    assert await queue.place(got.ids[0]) == "ready:high"


async def test_a_paused_queue_settles_and_hands_out_nothing(queue: QueueDriver) -> None:
    await queue.join("s")
    await queue.enqueue(["a", "b"])
    got = await queue.exchange("s", 1)
    await queue.run("pause")
    paused = await queue.exchange("s", 5, done=got.done)
    assert (paused.status, paused.ids, paused.stale) == ("PAUSED", (), ())
    assert (await queue.stats()).paused
    await queue.run("resume")
    assert (await queue.exchange("s", 5)).ids == ("b",)


async def test_a_cordoned_session_gets_nothing_until_the_cordon_lapses(queue: QueueDriver) -> None:
    await queue.join("s")
    await queue.join("other")
    await queue.enqueue(["a", "b", "c"])
    got = await queue.exchange("s", 1)
    assert await queue.run("cordon", 5_000, "s") == [1]
    cordoned = await queue.exchange("s", 5, done=got.done)
    assert (cordoned.status, cordoned.ids) == ("CORDONED", ())
    assert (await queue.renew("s"))[4] == 1
    assert (await queue.exchange("other", 1)).ids == ("b",)
    await queue.advance(5_000)
    assert (await queue.exchange("s", 5)).ids == ("c",)


async def test_a_lifted_cordon(queue: QueueDriver) -> None:
    await queue.join("s")
    await queue.enqueue(["a"])
    await queue.run("cordon", 60_000, "s")
    assert (await queue.exchange("s", 5)).status == "CORDONED"
    await queue.run("cordon", 0, "s")
    assert (await queue.exchange("s", 5)).ids == ("a",)


async def test_an_id_without_its_envelope_is_dropped_from_everywhere(queue: QueueDriver) -> None:
    await queue.join("s")
    await queue.enqueue(["lost", "kept"], [Special("lost-too", priority="high")])
    await queue.link.request("HDEL", queue.key("jobs"), "lost", "lost-too")
    assert (await queue.exchange("s", 9)).ids == ("kept",)
    snapshot = await queue.look()
    assert snapshot.places == {"kept": {"leased:s"}}
    assert not snapshot.leftovers()


async def test_nothing_but_lost_envelopes_is_not_mistaken_for_an_empty_queue(queue: QueueDriver) -> None:
    await queue.join("s")
    await queue.enqueue(["lost", "kept"])
    await queue.link.request("HDEL", queue.key("jobs"), "lost")
    assert (await queue.exchange("s", 1)).ids == ()
    assert (await queue.look()).wake == 1, "the session is to ask again"
    assert (await queue.exchange("s", 1, flags="i")).ids == ("kept",)


async def test_zero_claims_nothing_and_registers_nobody(queue: QueueDriver) -> None:
    await queue.join("s")
    await queue.enqueue(["a"])
    assert (await queue.exchange("s", 0)).ids == ()
    assert not (await queue.look()).sets["idle"]
