"""From zero and back: what is heard moves workers, and what is unknown moves none."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from headrace import Fleet
from headrace.admin.queue_admin import stats_many
from headrace.brokers.redis import RedisBroker
from headrace.worker.log import Log
from headrace.worker.ticker import Ticker
from headrace_operator.core.conditions import ConditionReason, ConditionType
from headrace_operator.core.observation import Unknown
from headrace_operator.reconcile import redis_watch
from support.fleet_rig import BY_SIGNAL, FAST, Rig, redis_spec, until
from support.servers import RedisServer


async def test_an_enqueue_wakes_the_fleet_without_polling(attentive: Rig) -> None:
    key = attentive.apply()
    async with attentive.running():
        await attentive.at_rest()
        await attentive.seeder().enqueue("a")
        await attentive.has_workers(key, 1)


async def test_one_slow_read_puts_off_no_wake_up(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = asyncio.Event()

    async def read(*arguments: Any, **options: Any) -> Any:
        if slow.is_set():
            slow.clear()
            await asyncio.sleep(3)
        return await stats_many(*arguments, **options)

    monkeypatch.setattr(redis_watch, "stats_many", read)
    rig = Rig(redis_url, replace(BY_SIGNAL, redis_timeout=5, poll_slowest=60))
    key, seeder = rig.apply(), rig.seeder()
    async with rig.running():
        await rig.at_rest()
        slow.set()
        await seeder.enqueue("later", delay_ms=3_600_000)
        await until("the slow read has begun", _cleared(slow))
        await rig.at_rest()
        await seeder.enqueue("a")
        # A tenth of the time at most goes into reading, so after such a read it would be half a minute.
        await rig.has_workers(key, 1)


def _cleared(event: asyncio.Event) -> Callable[[], Awaitable[bool]]:
    async def so() -> bool:
        return not event.is_set()

    return so


async def test_a_delayed_job_wakes_it_when_it_falls_due(attentive: Rig) -> None:
    key = attentive.apply()
    async with attentive.running():
        await attentive.at_rest()
        await attentive.seeder().enqueue("later", delay_ms=2000)
        await asyncio.sleep(0.4)
        assert await attentive.workers(key) == 0, "not before"
        await attentive.has_workers(key, 1)


async def test_the_next_tick_of_a_periodic_task_wakes_it(attentive: Rig) -> None:
    """The last worker has planned it and is gone."""
    key = attentive.apply()
    queue = Fleet().queue("q")
    queue.every(3)(queue.task(name="tidy")(_tidy))
    async with attentive.running():
        await attentive.at_rest()
        await Ticker("q", queue.periodic, RedisBroker(attentive.link), Log(level="error")).begin()
        due = (await attentive.admin().stats()).ticks["tidy"].due_ms
        await attentive.has_workers(key, 1)
        assert (await attentive.admin().stats()).now_ms >= due


async def _tidy() -> None: ...


async def test_workers_follow_the_backlog_and_go_with_it(rig: Rig) -> None:
    key = rig.apply(scaling={"maxReplicas": 3})
    async with rig.running():
        seeder = rig.seeder()
        await seeder.enqueue(*(f"j{i}" for i in range(25)))
        await rig.has_workers(key, 3)
        await seeder.join()
        ids = await seeder.exchange(25)
        await seeder.exchange(0, *[["done", one, seeder.claim, 0] for one in ids])
        await rig.has_workers(key, 0)
        await rig.reason(key, ConditionType.ACTIVE, ConditionReason.SCALED_TO_ZERO)
    status = rig.status(key)
    assert status is not None
    assert [one.desired for one in status.decisions][::-1] == [3, 0]


async def test_a_redis_that_goes_away_changes_no_number(rig: Rig) -> None:
    with RedisServer(aof="always") as server:
        rig.url = server.url
        key = rig.apply()
        lost = Rig(server.url)
        async with rig.running():
            await lost.seeder().enqueue("a")
            await lost.link.close()
            await rig.has_workers(key, 1)
            server.stop()
            await rig.reason(key, ConditionType.REDIS_AVAILABLE, Unknown.UNREACHABLE)
            assert await rig.workers(key) == 1
            server.start()
            await rig.reason(key, ConditionType.REDIS_AVAILABLE, ConditionReason.REACHABLE)
            server.freeze()
            await rig.reason(key, ConditionType.REDIS_AVAILABLE, Unknown.TIMED_OUT)
            assert await rig.workers(key) == 1
            server.thaw()
            await rig.reason(key, ConditionType.REDIS_AVAILABLE, ConditionReason.REACHABLE)
    reasons = [event.reason for event in rig.objects.events]
    assert reasons.count("RedisUnavailable") == 2


async def test_a_dead_redis_delays_no_other_queue(redis_url: str) -> None:
    rig = Rig(redis_url, replace(FAST, redis_timeout=5.0))
    with RedisServer() as dead:
        stuck = [rig.apply(f"stuck-{i}", queue=f"q{i}", url=dead.url) for i in range(3)]
        key = rig.apply()
        async with rig.running():
            await rig.reason(stuck[0], ConditionType.REDIS_AVAILABLE, ConditionReason.REACHABLE)
            await rig.at_rest()
            dead.freeze()
            for i in range(4):
                began = time.monotonic()
                await rig.seeder(sid=f"s{i}").enqueue(*(f"{i}-{n}" for n in range(10)))
                await rig.has_workers(key, i + 1)
                assert time.monotonic() - began < 4, "less than one timeout of the dead one"
            await rig.reason(stuck[0], ConditionType.REDIS_AVAILABLE, Unknown.TIMED_OUT)
            dead.thaw()


async def test_an_address_in_a_secret(rig: Rig) -> None:
    key = rig.apply(redis=redis_spec("mail"))
    async with rig.running():
        await rig.reason(key, ConditionType.REDIS_AVAILABLE, Unknown.SECRET_UNUSABLE)
        rig.secrets.values["mail"] = "nonsense"
        rig.controller.wake(key)

        async def names_the_secret() -> bool:
            found = rig.condition(key, ConditionType.REDIS_AVAILABLE)
            return found is not None and "Secret mail" in found.message

        await until("the bad URL is told", names_the_secret)
        rig.secrets.values["mail"] = f"{rig.url}\n"
        rig.controller.wake(key)
        await rig.reason(key, ConditionType.REDIS_AVAILABLE, ConditionReason.REACHABLE)
        await rig.seeder().enqueue("a")
        await rig.has_workers(key, 1)


@pytest.mark.parametrize("wrong", ["type", "content"])
async def test_other_data_under_a_queues_keys_is_its_own_trouble(rig: Rig, wrong: str) -> None:
    if wrong == "type":
        await rig.link.request("SET", "hr:{bad}:sched", "not a zset")
    else:
        await rig.link.request("ZADD", "hr:{bad}:sess", 9e15, "s1")
        await rig.link.request("HSET", "hr:{bad}:workers", "s1", "not a presence")
    bad, good = rig.apply("bad", queue="bad"), rig.apply()
    async with rig.running():
        await rig.reason(bad, ConditionType.REDIS_AVAILABLE, Unknown.WRONG_DATA)
        await rig.seeder().enqueue("a")
        await rig.has_workers(good, 1)


@pytest.mark.parametrize("trouble", ["outage", "bug"])
async def test_a_failing_runtime_is_tried_again(
    rig: Rig, trouble: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    key = rig.apply()
    async with rig.running():
        await rig.at_rest()
        with monkeypatch.context() as patch:
            if trouble == "outage":
                rig.runtime.outage = "the API server is away"
            else:
                patch.setattr(rig.runtime, "versions", None)
            await rig.seeder().enqueue("a")

            async def said() -> bool:
                return "trying again" in caplog.text

            await until("the failure is logged", said)
        rig.runtime.outage = None
        await rig.has_workers(key, 1)
