"""E11: the enqueues of a block go out together at its end, or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from headrace import ConflictError, Fleet, QueueUnavailableError
from headrace.admin.queue_admin import QueueAdmin
from headrace.client.batch import Batch
from headrace.client.batch_task import BatchTask
from headrace.client.task import Task
from headrace.errors import ConfigError
from headrace.wire.link import Link


class Shop:
    """Two queues with a task each."""

    def __init__(self, url: str) -> None:
        self.fleet = Fleet(url)
        self.mails, self.orders = self.fleet.queue("mails"), self.fleet.queue("orders")
        self.send: Task[[int], object] = self.mails.task(name="send")(_nothing)
        self.ship: Task[[int], object] = self.orders.task(name="ship")(_nothing)


def _nothing(number: int) -> None: ...


@pytest.fixture
async def shop(redis_url: str) -> AsyncIterator[Shop]:
    made = Shop(redis_url)
    async with made.fleet:
        yield made


async def ready(link: Link, queue: str) -> int:
    return (await QueueAdmin(link, queue).stats()).ready


async def calls(link: Link) -> int:
    """Script calls so far."""
    told = (await link.request("INFO", "commandstats")).decode()
    lines = [line for line in told.splitlines() if line.startswith(("cmdstat_evalsha", "cmdstat_eval:"))]
    return sum(int(line.partition("calls=")[2].partition(",")[0]) for line in lines)


async def test_nothing_goes_out_before_the_end_and_then_all_in_few_round_trips(shop: Shop, link: Link) -> None:
    await shop.send.enqueue(0)
    before = await calls(link)
    async with shop.mails.batch() as batch:
        jobs = [await shop.send.enqueue(i) for i in range(1500)]
        assert (await link.request("ZCARD", "hr:{mails}:ready:default"), await calls(link)) == (1, before)
    assert await calls(link) == before + 2
    assert (await ready(link, "mails"), batch.jobs) == (1501, jobs)
    assert await link.request("HEXISTS", "hr:{mails}:jobs", jobs[700].id) == 1


@pytest.mark.parametrize("kind", [ValueError, asyncio.CancelledError])
async def test_a_block_that_raises_sends_nothing(shop: Shop, link: Link, kind: type[BaseException]) -> None:
    async def block() -> None:
        async with shop.fleet.batch():
            await shop.send.enqueue(1)
            await shop.ship.enqueue_many([{"number": 1}, {"number": 2}])
            raise kind

    with pytest.raises(kind):
        await block()
    assert (await ready(link, "mails"), await ready(link, "orders")) == (0, 0)


async def test_a_queue_s_batch_takes_its_own_and_a_fleet_s_all(shop: Shop, link: Link) -> None:
    async with shop.mails.batch():
        await shop.send.enqueue(1)
        await shop.ship.enqueue(1)
        assert (await ready(link, "mails"), await ready(link, "orders")) == (0, 1)
    async with shop.fleet.batch():
        await asyncio.gather(*(task.enqueue(i) for i in range(50) for task in (shop.send, shop.ship)))
        assert (await ready(link, "mails"), await ready(link, "orders")) == (1, 1)
    assert (await ready(link, "mails"), await ready(link, "orders")) == (51, 51)


async def test_an_inner_batch_goes_with_the_outer(shop: Shop, link: Link) -> None:
    async def block() -> None:
        async with shop.fleet.batch():
            async with shop.mails.batch():
                await shop.send.enqueue(1)
            raise KeyError

    with pytest.raises(KeyError):
        await block()
    assert await ready(link, "mails") == 0
    async with shop.fleet.batch() as outer:
        async with shop.mails.batch() as inner:
            job = await shop.send.options(job_id="one").enqueue(1)
        assert await ready(link, "mails") == 0
    assert (await ready(link, "mails"), outer.jobs, inner.jobs) == (1, [job], [job])


async def test_options_and_taken_ids_count(shop: Shop, link: Link) -> None:
    await shop.send.options(job_id="taken").enqueue(1)
    async with shop.mails.batch():
        old = await shop.send.options(job_id="taken").enqueue(2)
        new = await shop.send.options(job_id="new", delay=60).enqueue(2)
        await shop.send.options(priority="high").enqueue(3)
    assert (old.created, new.created) == (False, True)
    stats = await QueueAdmin(link, "mails").stats()
    assert (stats.ready, stats.scheduled) == (2, 1)


async def test_who_outlives_the_block_enqueues_at_once(shop: Shop, link: Link) -> None:
    ended = asyncio.Event()

    async def late() -> None:
        await ended.wait()
        await shop.send.enqueue(1)

    async with shop.mails.batch():
        straggler = asyncio.create_task(late())
        await asyncio.sleep(0)  # it begins inside the block
    ended.set()
    await straggler
    assert await ready(link, "mails") == 1


async def test_a_server_that_is_away_is_told_at_the_end() -> None:
    fleet = Fleet("redis://127.0.0.1:1/0", enqueue_timeout=0.1)
    send: Task[[int], object] = fleet.queue("mails").task(name="send")(_nothing)
    with pytest.raises(QueueUnavailableError):
        async with fleet.batch():
            await send.enqueue(1)
    await fleet.close()


def test_bad_batch_handlers_are_refused_where_they_are_defined() -> None:
    queue = Fleet().queue("q")

    def none() -> None: ...
    def two(a: list[int], b: int) -> None: ...
    def single(a: int) -> None: ...
    def many(*a: int) -> None: ...

    for handler, said in [(none, "one parameter"), (two, "one parameter"), (many, "one parameter"), (single, "list")]:
        with pytest.raises(ConfigError, match=said):
            queue.task(batch=10)(handler)  # type: ignore[arg-type]
    assert not queue.tasks


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"batch": 0}, "batch: must be 1 to 1,000"),
        ({"batch": 1001}, "batch: must be 1 to 1,000"),
        ({"batch": 5, "batch_wait": 11}, "batch_wait: must be 0 to 10 seconds"),
        ({"batch": 5, "process": True}, "not with process=True"),
        ({"result_keep": 5}, "give result_ttl as well"),
        ({"result_ttl": -1}, "result_ttl: must be"),
        ({"result_ttl": 1, "result_keep": -1}, "result_keep: must be"),
    ],
)
def test_bad_options_are_refused(options: dict[str, int], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Fleet().queue("q").task(**options)  # type: ignore[call-overload]


def test_a_batch_task_is_still_a_function_of_a_list() -> None:
    queue = Fleet().queue("q")

    @queue.task(batch=10)
    def total(numbers: list[int]) -> int:
        return sum(numbers)

    assert isinstance(total, BatchTask)
    assert total([1, 2, 3]) == 6
    assert total.options(delay=1).settings.batch == 10
    assert total.arguments.json_schema()["properties"]["numbers"]["type"] == "integer"


async def test_after_a_conflict_every_job_knows_its_id(shop: Shop) -> None:
    await shop.send.options(idempotency_key="k").enqueue(1)
    first = await shop.ship.options(unique="u").enqueue(1)
    seen: list[Batch] = []

    async def block() -> None:
        async with shop.fleet.batch() as batch:
            seen.append(batch)
            await shop.send.options(idempotency_key="k").enqueue(2)
            await shop.ship.options(unique="u").enqueue(2)

    with pytest.raises(ConflictError):
        await block()
    assert (seen[0].jobs[1].id, seen[0].jobs[1].created) == (first.id, False)


def test_jobs_of_one_batch_have_their_task_s_timeout() -> None:
    @Fleet().queue("q").task(batch=10)
    async def index(words: list[str]) -> None: ...

    with pytest.raises(ConfigError, match="share its task's timeout"):
        index.options(timeout=5)
