"""A job that is let out while the queue sleeps is told of, whatever let it out: at zero workers nobody else would."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec
import pytest

from headrace.client.limits import Rule
from headrace.client.schedule import tick_id
from headrace.contract.entry import Mark
from support.limited import limited
from support.queue_driver import QueueDriver, Special

LATER_MS = 3_600_000


async def plan(queue: QueueDriver, seen: str, ahead_ms: int, standing: str = "") -> str:
    """The next tick of a task whose jobs share the key; its id."""
    due = queue.now_ms + ahead_ms
    tick = Special(tick_id("tidy", due), at_ms=due, given=True, task="tidy", mark=Mark("k", "t"))
    packed = msgspec.msgpack.encode([tick.packed()])
    reply = await queue.run("plan", "tidy", seen, f"{due} every 60", standing, packed)
    assert reply[2] == 1
    return tick.id


async def a_scheduled_one_is_cancelled(queue: QueueDriver) -> None:
    assert await queue.cancel("later") == "cancelled"


async def a_planned_tick_is_called_off(queue: QueueDriver) -> None:
    held = await queue.link.request("HGET", queue.key("ticks"), "tidy")
    await plan(queue, held.decode(), 3 * LATER_MS, (await scheduled_ticks(queue))[0])


async def its_session_leaves_with_a_cancelled_one(queue: QueueDriver) -> None:
    assert await queue.cancel("runs") == "cancelling"
    assert await queue.leave("s") == 0


async def scheduled_ticks(queue: QueueDriver) -> list[str]:
    return [job_id for job_id, places in (await queue.states()).items() if "tick:" in job_id and "scheduled" in places]


WAYS = [a_scheduled_one_is_cancelled, a_planned_tick_is_called_off, its_session_leaves_with_a_cancelled_one]


async def test_a_key_whose_last_parked_job_is_cancelled_wakes_nobody(queue: QueueDriver) -> None:
    await queue.join("s", rules={"t": Rule(interval_us=3_600_000_000, burst=1)})
    await queue.enqueue(specials=[limited("runs", "k"), limited("waits", "k"), limited("later", "k")])
    got = await queue.exchange("s", 10)
    await queue.exchange("s", done=got.done)
    assert await queue.leave("s") == 0
    await queue.cancel("waits")
    assert (await queue.stats()).next_due_ms is not None
    await queue.cancel("later")
    assert (await queue.stats()).next_due_ms is None


@pytest.mark.parametrize("lets_out", WAYS)
async def test_a_sleeping_queue_says_that_one_was_let_out(
    queue: QueueDriver, lets_out: Callable[[QueueDriver], Awaitable[None]]
) -> None:
    await queue.join("s", rules={"t": Rule(concurrency=1)})
    await queue.enqueue(["head"], [Special("first", delay_ms=1_000_000), limited("later", "k", delay_ms=LATER_MS)])
    await queue.enqueue(specials=[limited("runs", "k"), limited("waits", "k")])
    await plan(queue, "", 2 * LATER_MS)
    got = await queue.exchange("s", 10)
    await queue.exchange("s", done={got.claim: ["head"]})
    assert (await queue.place("runs"), await queue.place("waits")) == ("leased:s", "parked")
    assert await queue.run("sleep") == 1
    await lets_out(queue)
    assert await queue.place("waits") == "ready:default"
    assert not (await queue.stats()).asleep


async def test_a_purge_that_lets_a_planned_tick_out_wakes_an_idle_worker_and_tells(queue: QueueDriver) -> None:
    """The tick is due and waits for its key; the purge takes a scheduled job of that key, and leaves the tick."""
    await queue.join("s", rules={"t": Rule(concurrency=1)})
    await queue.enqueue(specials=[limited("runs", "k"), limited("later", "k", delay_ms=LATER_MS)])
    tick = await plan(queue, "", 1_000)
    assert (await queue.exchange("s", 1)).ids == ("runs",)
    await queue.advance(1_000)
    assert (await queue.exchange("s", 1)).ids == ()
    assert await queue.place(tick) == "parked"
    assert await queue.run("sleep") == 1
    assert await queue.run("purge", 10) == 1
    assert await queue.place(tick) == "ready:default"
    assert not (await queue.stats()).asleep
    assert (await queue.look()).wake == 1
