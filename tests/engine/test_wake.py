"""Who is woken, how often, and how a sleeping queue speaks."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from headrace.contract.protocol import SUSPECT_AFTER
from headrace.wire.link import Link
from headrace.wire.subscription import Lost, Message, Subscribed, subscribe
from headrace.worker.outcome import Released, Retried, settlement
from support.queue_driver import QueueDriver, Special

pytestmark = pytest.mark.everywhere


async def make_suspects(queue: QueueDriver, *ids: str) -> None:
    await queue.enqueue(ids)
    for turn in range(SUSPECT_AFTER):
        await queue.join(f"dead{turn}")
        await queue.exchange(f"dead{turn}", len(ids))
        await queue.run("reap_session", f"dead{turn}")


async def idle(queue: QueueDriver, *sids: str) -> None:
    for sid in sids:
        await queue.join(sid)
        assert (await queue.exchange(sid, 5)).ids == ()


async def woken(queue: QueueDriver) -> bool:
    return bool(await queue.link.request("LPOP", queue.key("wake")))


async def tokens(queue: QueueDriver) -> int:
    return (await queue.look()).wake


async def test_asking_in_vain_registers_and_a_woken_lane_is_idle_no_more(queue: QueueDriver) -> None:
    await idle(queue, "s")
    assert (await queue.look()).sets["idle"] == {"s"}
    await queue.enqueue(["a"])
    assert await woken(queue)
    await queue.exchange("s", 5, flags="i")
    assert not (await queue.look()).sets["idle"]


@pytest.mark.parametrize(
    ("new", "sleepers", "lying", "expected"), [(1, 3, 0, 1), (9, 3, 0, 3), (9, 3, 2, 3), (9, 0, 0, 0)]
)
async def test_one_token_per_job_or_idle_worker(
    queue: QueueDriver, new: int, sleepers: int, lying: int, expected: int
) -> None:
    await idle(queue, *(f"s{i}" for i in range(sleepers)))
    for _ in range(lying):
        await queue.link.request("RPUSH", queue.key("wake"), "1")
    await queue.enqueue([f"j{i}" for i in range(new)])
    assert await tokens(queue) == expected


async def test_a_claim_that_leaves_work_wakes_the_next(queue: QueueDriver) -> None:
    await idle(queue, "s1", "s2")
    await queue.enqueue(["a"])
    await queue.enqueue(["b"])
    assert await woken(queue)
    assert not await woken(queue), "tokens lying there count"
    await queue.exchange("s1", 1, flags="i")
    assert await woken(queue)


@pytest.mark.parametrize("what", ["retry", "release", "leave", "reap"])
async def test_work_given_back_by_who_claims_no_more_wakes_another(queue: QueueDriver, what: str) -> None:
    await queue.join("s")
    await queue.enqueue(["a"])
    got = await queue.exchange("s", 1)
    await idle(queue, "other")
    match what:
        case "retry":
            await queue.exchange("s", others=[settlement("a", got.claim, Retried(1, 0, "boom"))], flags="q")
        case "release":
            await queue.exchange("s", others=[settlement("a", got.claim, Released(5))], flags="q")
        case "leave":
            await queue.leave("s")
        case _:
            await queue.run("reap_session", "s")
    assert await tokens(queue) == 1


@pytest.mark.parametrize("outcome", [Retried(1, 1_000, "boom"), Released(5, 1_000)], ids=["retry", "release"])
async def test_a_new_earliest_due_time_wakes_one_to_learn_of_it(
    queue: QueueDriver, outcome: Retried | Released
) -> None:
    await queue.join("s")
    await queue.enqueue(["a"])
    got = await queue.exchange("s", 1)
    await idle(queue, "other")
    await queue.exchange("s", others=[settlement("a", got.claim, outcome)])
    assert await woken(queue)
    assert (await queue.exchange("other", 1, flags="i")).next_due_ms == queue.now_ms + 1_000


async def test_delayed_enqueue_wakes_only_for_an_earlier_head(queue: QueueDriver) -> None:
    await idle(queue, "s")
    for delay_ms, wakes in ((5_000, True), (9_000, False), (1_000, True)):
        await queue.enqueue(specials=[Special(f"d{delay_ms}", delay_ms=delay_ms)])
        assert await woken(queue) == wakes


async def test_a_cordoned_session_takes_no_token_from_the_others(queue: QueueDriver) -> None:
    await idle(queue, "cordoned", "free")
    await queue.run("cordon", 60_000, "cordoned")
    await queue.enqueue(["a"])
    assert await woken(queue)
    await queue.exchange("cordoned", 5, flags="i")
    assert await woken(queue), "passed on"
    assert (await queue.look()).sets["idle"] == {"free"}
    await queue.exchange("free", 5, flags="i")
    await queue.enqueue(["b"])
    await queue.exchange("cordoned", 5)
    assert not await woken(queue), "nobody could take it"
    await queue.run("cordon", 0, "cordoned")
    assert await woken(queue)


async def test_a_lost_session_passes_its_token_on(queue: QueueDriver) -> None:
    await idle(queue, "lost", "free")
    await queue.enqueue(["a"])
    await queue.run("reap_session", "lost")
    assert await woken(queue)
    assert not await woken(queue)
    assert (await queue.exchange("lost", 5, flags="i")).status == "LOST"
    assert await woken(queue)


async def test_resume_wakes_all(queue: QueueDriver) -> None:
    await idle(queue, "s1", "s2")
    await queue.run("pause")
    await queue.enqueue(["a", "b"])
    for sid in ("s1", "s2"):
        assert await woken(queue)
        assert (await queue.exchange(sid, 5, flags="i")).status == "PAUSED"
    assert not await woken(queue)
    await queue.run("resume")
    assert await tokens(queue) == 2


async def test_a_suspects_session_wakes_the_others_for_the_rest_and_not_for_suspects(queue: QueueDriver) -> None:
    await make_suspects(queue, "bad")
    await queue.join("apart")
    suspect = await queue.exchange("apart", 5)
    await idle(queue, "free")
    await queue.exchange("apart", 5)
    assert not await woken(queue)
    await queue.enqueue(["x", "y"])
    assert await woken(queue)
    await queue.exchange("apart", 5)
    assert await woken(queue)
    await queue.exchange("free", 5, flags="i")
    await queue.exchange("apart", others=[settlement("bad", suspect.claim, Retried(1, 0, "boom"))])
    assert await queue.place("bad") == "suspects"


async def test_a_suspects_session_that_leaves_wakes_another_for_the_next_suspect(queue: QueueDriver) -> None:
    await make_suspects(queue, "bad1", "bad2")
    await queue.join("apart")
    (running,) = (await queue.exchange("apart", 5)).ids
    await idle(queue, "free")
    await queue.cancel(running)
    assert await queue.leave("apart") == 0
    assert await woken(queue)
    assert len((await queue.exchange("free", 5, flags="i")).ids) == 1


@pytest.fixture
async def signals(link: Link, queue: QueueDriver) -> AsyncIterator[asyncio.Queue[bytes]]:
    """Each signal that the queue publishes."""
    heard: asyncio.Queue[bytes] = asyncio.Queue()
    listening = asyncio.Event()

    async def listen() -> None:
        async with aclosing(subscribe(link.target, [queue.key("signal")])) as events:
            async for event in events:
                match event:
                    case Subscribed():
                        listening.set()
                    case Message(payload=payload):
                        heard.put_nowait(payload)
                    case Lost(error):
                        raise error

    task = asyncio.create_task(listen())
    async with asyncio.timeout(10):
        await listening.wait()
        # The nodes of a Cluster tell each other in order but late: what was said before this test ends here.
        mark = secrets.token_bytes(8)
        await queue.link.request("PUBLISH", queue.key("signal"), mark)
        while await heard.get() != mark:
            pass
    yield heard
    task.cancel()


async def published(queue: QueueDriver, signals: asyncio.Queue[bytes]) -> int:
    """How many signals so far; one of our own marks the end of those that were sent before."""
    await queue.link.request("PUBLISH", queue.key("signal"), "end")
    count = 0
    while await asyncio.wait_for(signals.get(), 5) != b"end":
        count += 1
    return count


async def test_a_sleeping_queue_signals_once(queue: QueueDriver, signals: asyncio.Queue[bytes]) -> None:
    assert await queue.run("sleep") == 1
    assert (await queue.stats()).asleep
    await queue.enqueue(["a"])
    await queue.enqueue(["b"])
    assert await published(queue, signals) == 1
    assert not (await queue.stats()).asleep


async def test_a_queue_with_work_does_not_fall_asleep(queue: QueueDriver) -> None:
    await queue.enqueue(specials=[Special("d", delay_ms=1_000)])
    assert await queue.run("sleep") == 1, "what is scheduled for later is left to a timer"
    await queue.advance(1_000)
    assert await queue.run("sleep") == 0
    await queue.enqueue(["a"])
    assert await queue.run("sleep") == 0


@pytest.mark.parametrize("what", ["earlier", "leave", "retry", "reap", "replay"])
async def test_whatever_makes_work_signals(queue: QueueDriver, signals: asyncio.Queue[bytes], what: str) -> None:
    await queue.join("s")
    await queue.enqueue(["a"])
    got = await queue.exchange("s", 1)
    if what == "replay":
        bury = ("bury", "a", got.claim, "t", "E", "", "", "", 1)
        await queue.exchange("s", others=[bury])
    assert await queue.run("sleep") == 1
    match what:
        case "earlier":
            await queue.enqueue(specials=[Special("d", delay_ms=1_000)])
        case "leave":
            await queue.leave("s")
        case "retry":
            await queue.exchange("s", others=[settlement("a", got.claim, Retried(1, 0, "boom"))])
        case "reap":
            await queue.run("reap_session", "s")
        case _:
            await queue.replay("a")
    assert await published(queue, signals) == 1
