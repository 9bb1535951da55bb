"""E19: a queue takes no more waiting jobs than its limit, however many enqueue at once; who can wait gets in later."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from headrace import Fleet, QueueFullError
from headrace.admin.queue_admin import QueueAdmin
from headrace.client.task import Task
from headrace.contract.envelope import DeathRecord
from headrace.errors import ConfigError
from headrace.wire.link import Link
from headrace.worker.outcome import Buried, Outcome, Released, Retried, settlement
from support.cli import Cli
from support.polling import eventually
from support.queue_driver import LEASE_MS, QueueDriver, Special

LONG = 60.0


@pytest.fixture
async def three(queue: QueueDriver) -> QueueDriver:
    """A queue with a limit of three."""
    await QueueAdmin(queue.link, "q").control.set_limit(3)
    return queue


@pytest.mark.parametrize(
    ("ids", "specials"),
    [
        (["c", "d"], []),
        (["c"], [Special("d")]),
        ([], [Special("c", delay_ms=1_000), Special("d", priority="high")]),
        ([], [Special("c", given=True), Special("d", given=True)]),
    ],
    ids=["plain", "both", "special", "given"],
)
async def test_what_does_not_fit_is_refused_whole(three: QueueDriver, ids: list[str], specials: list[Special]) -> None:
    await three.enqueue(["a"], [Special("b", delay_ms=60_000)])
    before = await three.look()
    with pytest.raises(QueueFullError) as caught:
        await three.enqueue(ids, specials)
    assert (caught.value.limit, caught.value.room) == (3, 1)
    assert await three.look() == before
    await three.enqueue(["c"])


async def test_ids_that_are_taken_need_no_room(three: QueueDriver) -> None:
    await three.enqueue(["a", "b"], [Special("c", given=True)])
    assert await three.enqueue([], [Special("c", given=True)]) == ("c",)
    with pytest.raises(QueueFullError):
        await three.enqueue([], [Special("c", given=True), Special("d", given=True)])


async def test_a_repeated_call_answers_as_before_though_the_queue_is_full_now(three: QueueDriver) -> None:
    await three.enqueue(["a", "b", "c"], seq=70)
    assert await three.enqueue(["a", "b", "c"], seq=70) == ()


async def test_running_jobs_and_dead_letters_take_no_room_and_what_comes_back_is_never_refused(
    three: QueueDriver,
) -> None:
    await three.join("s")
    await three.enqueue(["a", "b", "c"])
    got = await three.exchange("s", 3)
    await three.enqueue(["d", "e", "f"])
    outcomes: list[Outcome] = [Retried(1, 0, "boom"), Released(5), Buried("t", "E", DeathRecord("E", 1, 0), 1)]
    ends = [settlement(job, got.claim, outcome) for job, outcome in zip("abc", outcomes, strict=True)]
    await three.exchange("s", others=ends)
    assert await three.replay("c") == 1
    assert (await three.look()).ready == 6
    with pytest.raises(QueueFullError) as caught:
        await three.enqueue(["g"])
    assert caught.value.room == 0
    await three.exchange("s", 6)
    await three.advance(LEASE_MS // 3)
    await three.join("other")
    await three.enqueue(["g", "h", "i"])
    assert await three.leave("s") == 6
    assert (await three.look()).ready == 9


async def test_without_a_limit_nothing_is_counted(queue: QueueDriver) -> None:
    admin = QueueAdmin(queue.link, "q")
    await admin.control.set_limit(1)
    await admin.control.set_limit(None)
    assert await admin.control.limit() is None
    await queue.enqueue([f"j{i}" for i in range(50)])


# -- producers


class Site:
    """A fleet with one task on queue q, limited to `limit` waiting jobs."""

    def __init__(self, url: str, link: Link) -> None:
        self.fleet = Fleet(url)
        self.task: Task[[int], object] = self.fleet.queue("q").task(name="t")(_nothing)
        self.admin = QueueAdmin(link, "q")

    async def ready(self) -> int:
        return (await self.admin.stats()).ready


def _nothing(number: int) -> None: ...


@pytest.fixture
async def site(redis_url: str, link: Link) -> AsyncIterator[Site]:
    made = Site(redis_url, link)
    await made.admin.control.set_limit(10)
    async with made.fleet:
        yield made


async def test_the_error_says_what_is_full(site: Site) -> None:
    await site.task.enqueue_many({"number": i} for i in range(8))
    with pytest.raises(QueueFullError, match=r"queue q is full: 3 jobs were refused, it takes 2 more .*10 waiting"):
        await site.task.enqueue_many({"number": i} for i in range(3))
    assert await site.ready() == 8


async def test_of_many_callers_as_many_get_in_as_fit(site: Site, redis_url: str, link: Link) -> None:
    other = Site(redis_url, link)
    ends = await asyncio.gather(
        *(one.task.enqueue(i) for i in range(50) for one in (site, other)), return_exceptions=True
    )
    assert await site.ready() == 10
    assert sum(isinstance(end, QueueFullError) for end in ends) == 90
    await other.fleet.close()


async def test_who_waits_gets_in_when_there_is_room(site: Site) -> None:
    await site.task.enqueue_many({"number": i} for i in range(10))
    waiting = [asyncio.create_task(site.task.options(wait_for_room=LONG).enqueue(i)) for i in range(15)]
    with pytest.raises(QueueFullError):  # who doesn't wait is not held up by those who do
        await site.task.enqueue(99)
    while not all(task.done() for task in waiting):
        await site.admin.control.purge()
        assert await site.ready() <= 10
        await asyncio.sleep(0.02)  # for LONG at most: then they have failed
    assert all([(await task).created for task in waiting])
    assert (await site.admin.stats()).enqueued == 25


async def test_waiting_has_an_end(site: Site) -> None:
    await site.task.enqueue_many({"number": i} for i in range(10))
    began = time.monotonic()
    with pytest.raises(QueueFullError):
        await site.task.options(wait_for_room=0.3).enqueue(1)
    assert time.monotonic() - began >= 0.3


async def test_what_never_fits_does_not_wait(site: Site) -> None:
    began = time.monotonic()
    with pytest.raises(QueueFullError, match="11 jobs were refused"):
        await site.task.options(wait_for_room=LONG).enqueue_many({"number": i} for i in range(11))
    assert time.monotonic() - began < LONG / 2


async def test_a_batch_waits_as_its_fleet_does(site: Site) -> None:
    site.fleet.wait_for_room = LONG
    await site.task.enqueue_many({"number": i} for i in range(10))

    async def block() -> None:
        async with site.fleet.batch():
            await site.task.enqueue(1)
            await site.task.enqueue(2)

    sent = asyncio.create_task(block())
    await asyncio.sleep(0.1)  # by now it has been refused at least once, and would have failed
    assert not sent.done()
    await site.admin.control.purge()
    await eventually(sent.done)
    await sent
    assert await site.ready() == 2


async def test_a_limit_has_to_let_something_in(site: Site) -> None:
    with pytest.raises(ConfigError, match="must be 1 or more"):
        await site.admin.control.set_limit(0)


def test_the_command_line_sets_shows_and_lifts_it(cli: Cli) -> None:
    assert cli("limit", "q").out == "q has no limit\n"
    assert cli("limit", "q", "2").out == "q takes 2 waiting jobs\n"
    assert cli("limit", "q", "-o", "json").json == {"queue": "q", "limit": 2}
    for _ in range(2):
        assert cli("enqueue", "q", "mail").code == 0
    refused = cli("enqueue", "q", "mail")
    assert (refused.code, refused.err.count("\n")) == (1, 1)
    assert "queue q is full: 1 job was refused" in refused.err
    assert cli("limit", "q", "none").out == "q has no limit\n"
    assert cli("enqueue", "q", "mail").code == 0
    assert cli("limit", "q", "many").code == cli("limit", "q", "0").code == 2


async def test_who_is_in_already_needs_no_room_beside_others(site: Site) -> None:
    await site.task.options(idempotency_key="k").enqueue(1)
    await site.admin.control.set_limit(2)
    found = site.task.options(idempotency_key="k")
    answers = await asyncio.gather(
        found.enqueue(1), site.task.enqueue(2), site.task.enqueue(3), found.enqueue(1), return_exceptions=True
    )
    assert [isinstance(answer, QueueFullError) for answer in answers] == [False, False, True, False]
    assert await site.ready() == 2


async def test_in_a_batch_each_waits_for_room_as_its_options_say(site: Site) -> None:
    await site.task.enqueue(0)
    await site.admin.control.set_limit(1)

    async def block() -> None:
        async with site.fleet.batch():
            await site.task.options(wait_for_room=LONG).enqueue(1)

    sent = asyncio.create_task(block())
    await asyncio.sleep(0.1)  # by now it has been refused at least once, and would have failed
    assert not sent.done()
    await site.admin.control.purge()
    await sent
    assert await site.ready() == 1
