"""What headrace.testing promises to those who test their tasks with it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from headrace import Bury, Context, Depends, Fleet, JobDeadError, PayloadError, RetryLater, current_context
from headrace.brokers.capabilities import EVERY, Capabilities, Feature
from headrace.context import TICK
from headrace.errors import ConfigError, UsageError
from headrace.testing import ManualWorker, MemorySource, VirtualClock, manual_worker, run_inline
from support.fresh_python import run_fresh


@pytest.fixture
def fleet() -> Fleet:
    return Fleet("redis://127.0.0.1:1")


async def test_nothing_runs_until_it_is_told_to(fleet: Fleet) -> None:
    ran: list[int] = []

    @fleet.queue("q").task()
    async def note(number: int) -> None:
        ran.append(number)

    async with manual_worker(fleet) as worker:
        job = await note.enqueue(1)
        await asyncio.sleep(0.05)  # a worker of its own accord would have run it
        assert (ran, await job.state()) == ([], "ready")
        assert await worker.drain_now() == 1
        assert (ran, await job.state()) == ([1], "done")
        assert await worker.drain_now() == 0


async def test_a_retry_in_an_hour_takes_milliseconds(fleet: Fleet) -> None:
    runs: list[int] = []

    @fleet.queue("q").task(max_retries=2, backoff="fixed", retry_base=3600, retry_cap=7200, retry_jitter=False)
    async def flaky() -> None:
        runs.append(current_context().attempt)
        if len(runs) < 3:
            raise OSError("not yet")

    begun = time.monotonic()
    async with manual_worker(fleet) as worker:
        job = await flaky.enqueue()
        assert await worker.drain_now() == 1
        assert await job.state() == "scheduled"
        assert (await worker.stats("q")).next_due_ms == worker.clock.now_us() // 1000 + 3_600_000
        worker.clock.advance(3599)
        assert await worker.drain_now() == 0
        worker.clock.advance(timedelta(seconds=1))
        assert await worker.drain_now() == 1
        assert await worker.advance(timedelta(hours=1)) == 1
        assert await job.state() == "done"
    assert runs == [1, 2, 3]
    assert time.monotonic() - begun < 60


async def test_jobs_that_make_jobs_are_drained_too_and_those_that_wait_for_each_other(fleet: Fleet) -> None:
    queue = fleet.queue("q")

    @queue.task(result_ttl=60)
    async def double(number: int) -> int:
        return 2 * number

    @queue.task(result_ttl=60)
    async def twice(number: int) -> int:
        return int(await (await double.enqueue(await (await double.enqueue(number)).result())).result())

    async with manual_worker(fleet) as worker:
        job = await twice.enqueue(3)
        assert await worker.drain_now() == 3
        assert await job.result() == 12


async def test_dead_letters_are_seen_and_replayed(fleet: Fleet) -> None:
    broken = True

    @fleet.queue("q").task(max_retries=0, result_ttl=60)
    async def fragile() -> str:
        if broken:
            raise LookupError("no such row")
        return "fine"

    async with manual_worker(fleet) as worker:
        job = await fragile.enqueue()
        await worker.drain_now()
        (letter,) = await worker.dead_letters("q")
        assert (letter.id, letter.task, letter.reason, letter.error) == (
            job.id,
            "fragile",
            "LookupError",
            "LookupError: no such row",
        )
        with pytest.raises(JobDeadError):
            await job.result()
        broken = False
        assert await worker.replay("q") == 1
        await worker.drain_now()
        assert await job.result() == "fine"


async def test_every_tick_of_a_day_runs_when_it_is_due(fleet: Fleet) -> None:
    ticks: list[int] = []
    queue = fleet.queue("q")

    @queue.every(3600)
    @queue.task()
    async def hourly() -> None:
        ticks.append(int(current_context().meta[TICK]))

    async with manual_worker(fleet) as worker:
        assert await worker.advance(timedelta(days=1)) == 24
    assert [later - tick for tick, later in pairwise(ticks)] == [3_600_000] * 23


async def test_a_rate_lets_jobs_go_as_the_clock_says(fleet: Fleet) -> None:
    @fleet.queue("q").task(rate_limit="1/m", rate_burst=2)
    async def call() -> None: ...

    async with manual_worker(fleet) as worker:
        await call.enqueue_many([{}] * 5)
        assert [await worker.drain_now(), await worker.advance(59), await worker.advance(1)] == [2, 0, 1]
        assert await worker.advance(120) == 2


async def test_hooks_middleware_and_resources_are_the_real_ones(fleet: Fleet) -> None:
    seen: list[str] = []

    async def pool() -> AsyncIterator[str]:
        seen.append("open")
        yield "pool"
        seen.append("close")

    @fleet.on_start
    async def begin() -> None:
        seen.append("start")

    @fleet.middleware
    async def around(context: Context, call_next: Callable[[], Any]) -> Any:
        seen.append(f"before {context.task}")
        return await call_next()

    @fleet.on_job_error
    async def failed(context: Context, error: BaseException) -> None:
        seen.append(type(error).__name__)

    @fleet.queue("q").task()
    async def use(db: str = Depends(pool)) -> None:
        seen.append(db)
        raise Bury("enough")

    async with manual_worker(fleet) as worker:
        await use.enqueue()
        await worker.drain_now()
    assert seen == ["start", "open", "before use", "pool", "Bury", "close"]


async def test_a_process_handler_runs_in_this_process(fleet: Fleet) -> None:
    @fleet.queue("q").task(process=True, result_ttl=60)
    def square(number: int) -> int:
        return number * number

    async with manual_worker(fleet) as worker:
        job = await square.enqueue(7)
        await worker.drain_now()
        assert await job.result() == 49


async def test_a_handler_that_hangs_meets_its_timeout(fleet: Fleet) -> None:
    @fleet.queue("q").task(timeout=0.05, max_retries=0)
    async def hang() -> None:
        await asyncio.sleep(3600)

    async with manual_worker(fleet) as worker:
        await hang.enqueue()
        await worker.drain_now()
        assert [letter.reason for letter in await worker.dead_letters("q")] == ["TimeoutError"]


async def test_what_the_broker_lacks_is_refused_at_start_and_at_the_enqueue(fleet: Fleet) -> None:
    poor = MemorySource(capabilities=Capabilities("poor", EVERY - {Feature.LIMITS, Feature.UNIQUE, Feature.CANCEL}))
    queue = fleet.queue("q")

    @queue.task()
    async def plain() -> None: ...

    async with manual_worker(fleet, broker=poor) as worker:
        with pytest.raises(ConfigError, match="enqueue: unique needs unique keys; the poor broker has none of that"):
            await plain.options(unique="k").enqueue()
        job = await plain.enqueue()
        with pytest.raises(ConfigError, match=r"job.cancel\(\) needs cancellation; the poor broker has none of that"):
            await job.cancel()
        assert await worker.drain_now() == 1

    @queue.task(concurrency_limit=1)
    async def limited() -> None: ...

    with pytest.raises(ConfigError, match="task limited: concurrency_limit or rate_limit needs limits"):
        async with manual_worker(fleet, broker=poor):
            pass
    with pytest.raises(ConfigError, match="durability 'replicated' needs a durability per enqueue; the memory"):
        async with manual_worker(fleet):
            await plain.options(durability="replicated").enqueue()


async def test_the_fleet_is_where_it_was_afterwards(fleet: Fleet) -> None:
    @fleet.queue("q").task()
    async def plain() -> None: ...

    async with manual_worker(fleet) as first:
        await plain.enqueue()
        assert (await first.stats("q")).ready == 1
    assert fleet.source.redacted == "redis://127.0.0.1:1/0"
    async with manual_worker(fleet) as second:
        assert (await second.stats("q")).ready == 0


async def test_run_inline_is_one_run_as_a_worker_makes_it(fleet: Fleet) -> None:
    order: list[str] = []

    async def database() -> str:
        return "real"

    @fleet.middleware
    async def around(context: Context, call_next: Callable[[], Any]) -> Any:
        order.append(context.task)
        return await call_next()

    @fleet.queue("q").task(result_ttl=60)
    async def read(number: int, db: str = Depends(database)) -> tuple[int, str, str]:
        return number, db, current_context().task

    @fleet.queue("q").task()
    def later() -> None:
        raise RetryLater(5)

    assert await run_inline(read, 1) == (1, "real", "read")
    with fleet.override(database, lambda: "fake"):
        assert await run_inline(read, number=2) == (2, "fake", "read")
    with pytest.raises(PayloadError, match=r"task read: .* valid integer"):
        await run_inline(read, "many")  # type: ignore[call-overload]
    with pytest.raises(RetryLater):
        await run_inline(later)
    assert order == ["read", "read", "later"]


def test_time_goes_forward_only() -> None:
    with pytest.raises(UsageError):
        VirtualClock().advance(-1)


async def test_the_plugins_fixtures(
    headrace_worker: Callable[[Fleet], AbstractAsyncContextManager[ManualWorker]],
    headrace_clock: VirtualClock,
    fleet: Fleet,
) -> None:
    @fleet.queue("q").task()
    async def plain() -> None: ...

    async with headrace_worker(fleet) as worker:
        await plain.options(delay=60).enqueue()
        headrace_clock.advance(60)
        assert await worker.drain_now() == 1


def test_the_plugin_costs_a_pytest_start_next_to_nothing() -> None:
    heavy = ("headrace.client", "headrace.worker", "headrace.brokers", "msgspec", "pydantic", "hiredis", "asyncio")
    code = (
        "import sys, pytest\n"
        "before = set(sys.modules)\n"
        "import headrace.testing.plugin\n"
        f"print([m for m in {heavy!r} if m in sys.modules and m not in before])"
    )
    assert run_fresh(code) == "[]\n"
