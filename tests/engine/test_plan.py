"""E7: plan.lua with the clock held, and tickers that overtake each other, die, and come back: one job per tick."""

from __future__ import annotations

import asyncio
import io
import random
from collections import Counter
from collections.abc import Mapping
from typing import cast

import msgspec
import pytest

from headrace import Fleet, Queue
from headrace.admin.queue_admin import QueueAdmin
from headrace.brokers.redis import RedisBroker
from headrace.client.schedule import tick_id
from headrace.contract.protocol import State
from headrace.errors import QueueFullError
from headrace.wire.link import Link
from headrace.worker.log import Log
from headrace.worker.ticker import Ticker
from support.held_link import HeldLink
from support.queue_driver import QueueDriver, Special

LONG = 3600.0


def application(seconds: float = 60, *, deadline: float = LONG) -> Queue:
    queue = Fleet().queue("q")

    async def tidy() -> None: ...

    queue.every(seconds, deadline=deadline)(tidy)
    return queue


def ticker(driver: QueueDriver, queue: Queue, chance: random.Random | None = None) -> Ticker:
    link = cast("Link", HeldLink(driver, chance))
    return Ticker("q", queue.periodic, RedisBroker(link), Log(stream=io.StringIO(), level="error"))


def following(driver: QueueDriver, seconds: int = 60, ahead: int = 1) -> int:
    return (driver.now_ms // (seconds * 1000) + ahead) * seconds * 1000


async def scheduled(driver: QueueDriver) -> Mapping[str, int]:
    return {job_id: int(due) for job_id, due in (await driver.look()).zsets["sched"].items()}


async def to_the_next_tick(driver: QueueDriver, seconds: int = 60) -> None:
    await driver.advance(following(driver, seconds) - driver.now_ms)


async def test_the_next_tick_stands_among_the_scheduled_jobs_and_in_the_numbers(queue: QueueDriver) -> None:
    due = following(queue)
    pause = await ticker(queue, application()).look(starting=True)
    assert pause <= 15
    assert await scheduled(queue) == {tick_id("tidy", due): due}
    stats = await queue.stats()
    assert (stats.scheduled, stats.next_due_ms, stats.enqueued) == (1, due, 1)
    assert (stats.ticks["tidy"].due_ms, stats.ticks["tidy"].schedule) == (due, "every 60")


async def test_any_number_of_tickers_plan_each_tick_once(queue: QueueDriver) -> None:
    await queue.join("s")
    tickers = [ticker(queue, application()) for _ in range(5)]
    await asyncio.gather(*(one.begin() for one in tickers))
    for _ in range(3):
        due = following(queue)
        await to_the_next_tick(queue)
        await asyncio.gather(*(one.look(starting=False) for one in tickers))
        got = await queue.exchange("s", 10)
        assert got.ids == (tick_id("tidy", due),)
        await queue.exchange("s", done=got.done)
        assert list(await scheduled(queue)) == [tick_id("tidy", due + 60_000)]
    assert (await queue.stats()).enqueued == 4


async def test_a_plan_made_from_what_is_no_longer_so_is_refused(queue: QueueDriver) -> None:
    """A worker that was frozen between its look and its plan, for longer than any id is remembered."""
    await ticker(queue, application()).begin()
    held = await queue.link.request("HGET", queue.key("ticks"), "tidy")
    due = following(queue)
    job = Special(tick_id("tidy", due), at_ms=due, given=True, task="tidy")
    stale = ("tidy", "", f"{due} every 60", "", msgspec.msgpack.encode([job.packed()]))
    await queue.join("s")
    await to_the_next_tick(queue)
    got = await queue.exchange("s", 1)
    await queue.exchange("s", done=got.done)
    before = await queue.look()
    assert await queue.run("plan", *stale) == [queue.now_ms, held, 0, 0]
    assert await queue.look() == before


async def test_what_was_missed_runs_once_the_latest(queue: QueueDriver) -> None:
    await queue.join("s")
    await ticker(queue, application()).begin()
    await queue.advance(10 * 60_000)
    latest = following(queue, ahead=0)
    await asyncio.gather(*(ticker(queue, application()).begin() for _ in range(3)))
    got = await queue.exchange("s", 10)
    assert got.ids == (tick_id("tidy", latest),)
    assert got.ready_us == (latest * 1000,)
    assert list(await scheduled(queue)) == [tick_id("tidy", latest + 60_000)]
    assert not (await queue.look()).misplaced()


async def test_what_another_worker_has_looked_at_already_is_not_called_off(queue: QueueDriver) -> None:
    await queue.join("s")
    await ticker(queue, application()).begin()
    first = following(queue)
    await queue.advance(3 * 60_000)
    claimed = await queue.exchange("s", 1)
    assert claimed.ids == (tick_id("tidy", first),)
    await ticker(queue, application()).begin()
    assert await queue.place(tick_id("tidy", first)) == "leased:s"
    assert (await queue.exchange("s", 10)).ids == (tick_id("tidy", following(queue, ahead=0)),)


async def test_past_the_deadline_nothing_runs_and_the_plan_goes_on(queue: QueueDriver) -> None:
    await queue.join("s")
    await ticker(queue, application(3600, deadline=60)).begin()
    due = following(queue, 3600)
    await queue.advance(due - queue.now_ms + 61_000)
    await ticker(queue, application(3600, deadline=60)).begin()
    assert (await queue.exchange("s", 10)).ids == ()
    assert list(await scheduled(queue)) == [tick_id("tidy", due + 3_600_000)]


async def test_a_new_schedule_takes_the_place_of_the_old_and_an_old_worker_does_not_take_it_back(
    queue: QueueDriver,
) -> None:
    old, new = ticker(queue, application(3600)), ticker(queue, application(7))
    await old.begin()
    await new.begin()
    assert list(await scheduled(queue)) == [tick_id("tidy", following(queue, 7))]
    await old.look(starting=False)
    assert (await queue.stats()).ticks["tidy"].schedule == "every 7"
    await queue.advance(18_000)  # the new version was taken back, nobody follows up its tick
    await old.look(starting=False)
    assert (await queue.stats()).ticks["tidy"].schedule == "every 3600"
    await queue.join("s")
    assert len((await queue.exchange("s", 10)).ids) == 1  # the tick that stood when it was taken back
    assert list(await scheduled(queue)) == [tick_id("tidy", following(queue, 3600))]


async def test_the_same_tick_by_another_schedule_stays(queue: QueueDriver) -> None:
    await ticker(queue, application(60)).begin()
    await queue.advance(following(queue, 120) - queue.now_ms - 5_000)
    await queue.link.request("DEL", queue.key("sched"), queue.key("jobs"), queue.key("ticks"))
    await ticker(queue, application(60)).begin()
    await ticker(queue, application(120)).begin()
    due = following(queue, 120)
    assert await scheduled(queue) == {tick_id("tidy", due): due}


async def test_a_cancelled_tick_is_left_out_and_the_next_is_planned(queue: QueueDriver) -> None:
    one = ticker(queue, application())
    await one.begin()
    assert await queue.cancel(tick_id("tidy", following(queue))) == "cancelled"
    await one.look(starting=False)
    assert not await scheduled(queue)
    await to_the_next_tick(queue)
    await one.look(starting=False)
    assert list(await scheduled(queue)) == [tick_id("tidy", following(queue))]


async def test_an_earlier_tick_wakes_an_idle_worker_and_signals_a_sleeping_queue(queue: QueueDriver) -> None:
    await queue.join("s")
    await queue.enqueue(specials=[Special("later", delay_ms=10**9)])
    await queue.exchange("s", 1)
    await queue.run("sleep")
    await ticker(queue, application()).begin()
    assert (await queue.look()).wake == 1
    assert not (await queue.stats()).asleep


async def test_a_full_redis_refuses_the_plan_whole(queue: QueueDriver) -> None:
    await queue.link.request("CONFIG", "SET", "maxmemory", "1")
    try:
        with pytest.raises(QueueFullError):
            await ticker(queue, application()).look(starting=True)
    finally:
        await queue.link.request("CONFIG", "SET", "maxmemory", "0")
    assert not await scheduled(queue)
    assert not (await queue.stats()).ticks


@pytest.mark.parametrize("seed", range(5))
async def test_tickers_that_die_at_any_step_lose_no_tick_and_double_none(link: Link, seed: int) -> None:
    """Calls and replies are lost, tickers die and come back; one always lives. Each tick is one job that runs once."""
    chance = random.Random(seed)
    queue = QueueDriver(link)
    await queue.hold_clock()
    await queue.join("s")
    tickers = [ticker(queue, application(1), chance) for _ in range(3)]
    await ticker(queue, application(1)).begin()
    first, ran = following(queue, 1), Counter[str]()
    for _ in range(60):
        await queue.advance(chance.randint(100, 1_500))
        await asyncio.gather(*(one.look(starting=False) for one in tickers), return_exceptions=True)
        if chance.random() < 0.3:
            tickers[chance.randrange(3)] = ticker(queue, application(1), chance)
        got = await queue.exchange("s", 100)
        ran.update(got.ids)
        await queue.exchange("s", done=got.done)
    await ticker(queue, application(1)).look(starting=False)
    got = await queue.exchange("s", 100)
    ran.update(got.ids)
    await queue.exchange("s", done=got.done)
    assert ran == Counter(tick_id("tidy", tick) for tick in range(first, queue.now_ms + 1, 1000))
    assert State.SCHEDULED in {State(place) for places in (await queue.states()).values() for place in places}
    assert not (await queue.look()).leftovers()


async def test_a_purge_leaves_the_schedule(queue: QueueDriver, link: Link) -> None:
    await ticker(queue, application()).begin()
    await queue.enqueue(["a"], [Special("later", delay_ms=10**9), Special("sooner", delay_ms=1)])
    control = QueueAdmin(link, "q").control
    assert await control.purge() == 3
    assert list(await scheduled(queue)) == [tick_id("tidy", following(queue))]
    assert await control.purge() == 0
    assert not (await queue.look()).misplaced()


async def test_a_task_that_can_not_be_planned_costs_only_its_own_ticks(queue: QueueDriver) -> None:
    made = Fleet().queue("q")

    @made.every(60)
    @made.task(concurrency_limit=1, limit_key=lambda region: str(region["name"]))
    async def broken(region: dict[str, str] | None = None) -> None: ...

    @made.every(60)
    @made.task()
    async def sound() -> None: ...

    assert await ticker(queue, made).look(starting=True) <= 1
    assert list(await scheduled(queue)) == [tick_id("sound", following(queue))]
