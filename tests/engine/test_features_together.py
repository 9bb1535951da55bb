"""Where two features meet: what each promises alone holds of both."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any, TextIO, cast

import pytest
from google.protobuf.duration_pb2 import Duration

from headrace import ConflictError, Depends, Durability, Fleet, NotDurableError, QueueFullError
from headrace.admin.queue_admin import QueueAdmin
from headrace.brokers.redis import RedisBroker
from headrace.client.limits import Rule
from headrace.client.schedule import tick_id
from headrace.errors import ConfigError
from headrace.wire.link import Link
from headrace.worker.log import Log
from headrace.worker.outcome import Done, settlement
from headrace.worker.ticker import Ticker
from support.held_link import HeldLink
from support.limited import check_keys, limited
from support.queue_driver import QueueDriver

KEY = "task:tidy"


@pytest.fixture
async def fleet(redis_url: str) -> AsyncIterator[Fleet]:
    async with Fleet(redis_url, enqueue_timeout=1) as made:
        yield made


def nothing(number: int) -> None: ...


# -- a periodic task with a limit


async def plan(driver: QueueDriver, said: TextIO | None = None) -> str:
    """Plans the next tick of a task that runs once at a time; its id."""
    queue = Fleet().queue("q")

    @queue.every(60)
    @queue.task(concurrency_limit=1)
    async def tidy() -> None: ...

    log = Log(stream=said or io.StringIO(), level="warning")
    await Ticker("q", queue.periodic, RedisBroker(cast("Link", HeldLink(driver))), log).look(starting=False)
    log.flush()
    return tick_id("tidy", (driver.now_ms // 60_000 + 1) * 60_000)


async def to_the_next_tick(driver: QueueDriver) -> None:
    await driver.advance(60_000 - driver.now_ms % 60_000)


async def test_a_tick_waits_for_the_tick_before_where_its_task_runs_once_at_a_time(queue: QueueDriver) -> None:
    await queue.join("s", rules={"tidy": Rule(concurrency=1)})
    first = await plan(queue)
    await to_the_next_tick(queue)
    second = await plan(queue)
    running = await queue.exchange("s", 10)
    assert running.ids == (first,)
    await queue.renew("s")
    await to_the_next_tick(queue)
    assert (await queue.exchange("s", 10)).ids == ()
    assert await queue.place(second) == "parked"
    await check_keys(queue)
    assert (await queue.exchange("s", 10, done=running.done)).ids == (second,)
    await check_keys(queue)


async def test_a_purge_leaves_a_planned_tick_that_is_parked(queue: QueueDriver) -> None:
    await queue.join("s", rules={"tidy": Rule(concurrency=1)})
    first = await plan(queue)
    await to_the_next_tick(queue)
    second = await plan(queue)
    await queue.enqueue(specials=[limited("other", KEY, "tidy", delay_ms=59_000)])
    running = await queue.exchange("s", 1)
    assert running.ids == (first,)
    await to_the_next_tick(queue)
    await queue.renew("s")
    await queue.exchange("s", 10)
    assert (await queue.place("other"), await queue.place(second)) == ("parked", "parked")
    assert await queue.run("purge", 1000) == 1
    await check_keys(queue)
    assert (await queue.exchange("s", 10, done=running.done)).ids == (second,)


async def test_a_tick_that_another_schedule_calls_off_leaves_no_mark(queue: QueueDriver) -> None:
    first = await plan(queue)
    held = await queue.link.request("HGET", queue.key("ticks"), "tidy")
    assert await queue.run("plan", "tidy", held, "0 none", first, b"\x90") == [queue.now_ms, b"0 none", 1, 1]
    assert (await queue.look()).hashes["marks"] == {}


async def test_no_tick_of_a_limited_task_is_planned_beside_a_worker_too_old_for_limits(
    queue: QueueDriver, tmp_path: Path
) -> None:
    await queue.join("old", protocol=1)
    log = tmp_path / "log"
    with log.open("w") as file:
        await plan(queue, file)
    assert "could not plan a periodic task" in log.read_text()
    assert "upgrade the workers first" in log.read_text()
    assert (await queue.look()).hashes["ticks"] == {}


# -- batches of enqueues


async def test_a_block_finds_the_first_job_of_a_unique_key(fleet: Fleet, link: Link) -> None:
    task = fleet.queue("q").task(name="t")(nothing)
    async with fleet.batch() as batch:
        first = await task.options(unique="k").enqueue(1)
        other = await task.enqueue(2)
        second = await task.options(unique="k").enqueue(3)
    assert [job.created for job in batch.jobs] == [True, True, False]
    assert (second.id, batch.jobs) == (first.id, [first, other, second])
    assert (await QueueAdmin(link, "q").stats()).ready == 2


async def test_a_conflict_in_a_block_is_told_at_its_end_and_keeps_nothing_else_out(fleet: Fleet, link: Link) -> None:
    task = fleet.queue("q").task(name="t")(nothing)
    await task.options(idempotency_key="k").enqueue(1)

    async def block() -> None:
        async with fleet.batch():
            await task.options(idempotency_key="k").enqueue(2)
            await task.enqueue(3)

    with pytest.raises(ConflictError, match="other arguments"):
        await block()
    assert (await QueueAdmin(link, "q").stats()).ready == 2


async def test_each_job_of_a_block_is_as_durable_as_it_asked_to_be(fleet: Fleet, link: Link) -> None:
    task = fleet.queue("q").task(name="t")(nothing)

    async def block() -> None:
        async with fleet.batch():
            await task.options(durability=Durability.REPLICATED).enqueue(1)
            await task.enqueue(2)

    with pytest.raises(NotDurableError):  # this server has no replica
        await block()
    assert (await QueueAdmin(link, "q").stats()).ready == 2


# -- a full queue


async def test_who_is_in_a_full_queue_already_is_found_and_not_refused(fleet: Fleet, link: Link) -> None:
    task = fleet.queue("q").task(name="t")(nothing)
    first = await task.options(unique="k").enqueue(1)
    await QueueAdmin(link, "q").control.set_limit(1)
    again = await task.options(unique="k").enqueue(1)
    assert (again.id, again.created) == (first.id, False)
    with pytest.raises(QueueFullError, match="1 job was refused"):
        await task.options(unique="other").enqueue(2)
    assert await link.request("EXISTS", "hr:{q}:u:other") == 0


# -- results


async def test_a_job_whose_result_is_kept_frees_the_slot_of_its_key(queue: QueueDriver) -> None:
    await queue.join("s", rules={"t": Rule(concurrency=1)})
    await queue.enqueue(specials=[limited("a", "k"), limited("b", "k")])
    got = await queue.exchange("s", 10)
    assert got.ids == ("a",)
    kept = settlement("a", got.claim, Done(b"\x01", 60_000, "t", 5))
    assert (await queue.exchange("s", 10, others=[cast("Any", kept)])).ids == ("b",)
    assert await queue.link.request("GET", queue.key("r:a")) == b"\x01"
    await check_keys(queue)


# -- definitions


def test_a_batch_handler_may_have_resources() -> None:
    queue = Fleet().queue("q")

    @queue.task(batch=10, limit_key="word:{words}", concurrency_limit=1)
    async def store(words: list[str], table: Annotated[dict[str, int], Depends(dict)]) -> None: ...

    assert store.arguments.check(("tea",), {}) == (("tea",), {})
    assert store.options(delay=1).arguments is store.arguments
    assert store.limit is not None
    assert store.limit.key_of({"words": "tea"}) == "word:tea"
    assert store.options(delay=1).limit is store.limit


def test_a_batch_handler_takes_no_protobuf() -> None:
    queue = Fleet().queue("q")
    with pytest.raises(ConfigError, match="batch= doesn't take the codec protobuf"):

        @queue.task(batch=10, codec="protobuf")
        async def store(lengths: list[Duration]) -> None: ...


async def test_a_protobuf_message_has_a_fingerprint(fleet: Fleet) -> None:
    queue = fleet.queue("q")

    @queue.task(codec="protobuf")
    async def wait(length: Duration) -> None: ...

    first = await wait.options(idempotency_key="k").enqueue(Duration(seconds=1))
    assert (await wait.options(idempotency_key="k").enqueue(Duration(seconds=1))).id == first.id
    with pytest.raises(ConflictError):
        await wait.options(idempotency_key="k").enqueue(Duration(seconds=2))
