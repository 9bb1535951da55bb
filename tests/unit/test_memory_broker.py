"""The memory broker outside of headrace.testing: under a real worker, in two threads, by its URL."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TextIO

import pytest

from headrace import Fleet, current_context
from headrace.brokers.memory.clock import SystemClock
from headrace.brokers.memory.fading import Fading
from headrace.brokers.memory.scored import Scored
from headrace.brokers.sources import register_broker, source_of
from headrace.errors import ConfigError
from headrace.testing import MemorySource
from headrace.worker.app import App
from headrace.worker.launcher import Worker
from headrace.worker.log import Log
from headrace.worker.settings import load_settings


@asynccontextmanager
async def working(fleet: Fleet, log: TextIO | None = None) -> AsyncIterator[None]:
    """A worker as the command starts it, in this event loop."""
    settings, _ = load_settings({"METRICS_PORT": "0"})
    app = App("app", fleet, tuple(fleet.queues))
    worker = Worker(app, replace(settings, redis_url=fleet.redis_url), Log(stream=log or io.StringIO(), jobs="none"))
    running = asyncio.create_task(worker.run())
    try:
        yield
    finally:
        worker.stop()
        await asyncio.wait_for(running, 60)


async def test_a_real_worker_wakes_retries_and_keeps_results(tmp_path: Path) -> None:
    fleet = Fleet("memory://real-worker")
    queue = fleet.queue("q")

    @queue.task(result_ttl=60, retry_base=0.05)
    async def second_time(number: int) -> int:
        if current_context().attempt == 1:
            raise OSError("not yet")
        return number

    with (tmp_path / "log").open("w") as log:
        async with working(fleet, log), queue.results() as results:
            for number in range(20):
                job = await second_time.enqueue(number)
                assert await job.result(timeout=60) == number
                assert (await anext(results)).value == number
            many = await second_time.enqueue_many([{"number": number} for number in range(500)])
            assert {(await anext(results)).job_id for _ in many} == set(many)
    assert "memory:// is inside this process" in (tmp_path / "log").read_text()


async def test_a_running_job_is_called_off() -> None:
    fleet = Fleet("memory://called-off")
    began, ended = asyncio.Event(), asyncio.Event()

    @fleet.queue("q").task()
    async def endless() -> None:
        began.set()
        try:
            await asyncio.sleep(3600)
        finally:
            ended.set()

    async with working(fleet):
        job = await endless.enqueue()
        await asyncio.wait_for(began.wait(), 60)
        assert await job.cancel()
        await asyncio.wait_for(ended.wait(), 60)


async def test_a_thread_with_a_loop_of_its_own_enqueues() -> None:
    fleet = Fleet("memory://threads")
    done = asyncio.Event()
    loop = asyncio.get_running_loop()

    @fleet.queue("q").task()
    async def note() -> None:
        loop.call_soon_threadsafe(done.set)

    async def enqueue() -> None:
        async with Fleet("memory://threads") as other:
            await other.queue("q").task(name="note")(note.handler).enqueue()

    async with working(fleet):
        await asyncio.to_thread(asyncio.run, enqueue())
        await asyncio.wait_for(done.wait(), 60)


def test_equal_urls_are_one_broker_and_schemes_can_be_added() -> None:
    assert source_of("memory://a") is source_of("memory://a")
    assert source_of("memory://a") is not source_of("memory://b")
    mine = MemorySource(SystemClock(), name="mine")
    register_broker("mine", lambda _: mine)
    assert Fleet("mine://anywhere").source is mine


def test_a_worker_is_not_started_on_a_memory_of_its_own() -> None:
    with pytest.raises(ConfigError, match=r"REDIS_URL: memory:// is inside one process: nobody could send a job"):
        load_settings({"REDIS_URL": "memory://"})


def test_scores_order_and_forget() -> None:
    scored = Scored()
    for round_ in range(50):
        for n in range(10):
            scored.put(f"m{n}", (n * 7 + round_) % 10)
    assert scored.pop(3) == sorted(((f"m{n}", (n * 7 + 49) % 10) for n in range(10)), key=lambda one: one[1])[:3]
    assert len(scored) == 7
    head, *_ = scored
    assert scored.discard(head)
    assert not scored.discard(head)
    assert [score for _, score in scored.until(6)] == sorted(score for _, score in scored.until(6))


def test_what_has_faded_is_not_kept() -> None:
    fading: Fading[int] = Fading()
    for n in range(1000):
        fading.put(f"k{n}", n, now_ms=n, until_ms=n + 10)
    assert len(fading) == 10
    assert [fading.get("k999", now_ms) for now_ms in (999, 1008, 1009)] == [999, 999, None]
    fading.put("k999", 7, now_ms=999, until_ms=5000)
    fading.put("other", 8, now_ms=4000, until_ms=5000)
    assert fading.get("k999", 4000) == 7
    fading.discard("k999")
    assert fading.get("k999", 4000) is None
