"""An idle worker's claim stands in Redis: a wake token lets it through, and whoever goes quiet calls it back."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from headrace import Fleet
from headrace.brokers.sources import source_of
from headrace.contract.keys import key
from headrace.wire.link import Link
from headrace.worker import consumer as consuming
from headrace.worker.consumer import Consumer
from headrace.worker.plan import compile_plans
from support.polling import eventually
from support.worker_parts import make_parts

QUEUE = "jobs"
ran: list[int] = []

Start = Callable[[], Awaitable[Consumer]]


@pytest.fixture
def fleet(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Fleet:
    """With one task; no poll helps its workers."""
    monkeypatch.setattr(consuming, "POLL", 60.0)
    monkeypatch.setattr(consuming, "ANSWER_TIMEOUT", 90.0)
    ran.clear()
    made = Fleet(redis_url)

    @made.queue(QUEUE).task()
    async def note(number: int) -> None:
        ran.append(number)

    return made


@pytest.fixture
async def start(fleet: Fleet, redis_url: str) -> AsyncIterator[Start]:
    """Makes a consumer and waits until it stands."""
    running: list[tuple[Consumer, asyncio.Task[None]]] = []

    async def begin() -> Consumer:
        parts = dataclasses.replace(make_parts(fleet), source=source_of(redis_url))
        consumer = Consumer(QUEUE, 1, parts, compile_plans(fleet, QUEUE, parts))
        await consumer.keeper.join()
        running.append((consumer, asyncio.create_task(consumer.run())))
        await eventually(lambda: consumer._standing and not busy(consumer))
        return consumer

    yield begin
    for consumer, working in running:
        consumer.stop()
        await asyncio.wait_for(working, 20)
        await consumer.leave()
        await consumer.close()
    await fleet.close()


def busy(consumer: Consumer) -> bool:
    """Anything but standing."""
    return consumer._lanes[0] in consumer._in_flight or bool(consumer.executor.running)


async def enqueue(fleet: Fleet, *numbers: int) -> None:
    await fleet.queue(QUEUE).tasks["note"].enqueue_many([{"number": number} for number in numbers])


async def test_a_job_goes_through_with_the_token(fleet: Fleet, start: Start) -> None:
    consumer = await start()
    looks = consumer._parts.metrics.exchanges
    await enqueue(fleet, 1)
    await eventually(lambda: ran == [1])
    await eventually(lambda: consumer._standing and not busy(consumer))
    assert consumer._parts.slots.busy == 1  # the one that stands
    assert consumer._parts.metrics.exchanges - looks <= 5


async def test_one_token_brings_all_that_came_with_it(fleet: Fleet, start: Start) -> None:
    await start()
    await enqueue(fleet, *range(25))
    await eventually(lambda: sorted(ran) == list(range(25)))


async def test_each_idle_worker_gets_its_job(fleet: Fleet, start: Start) -> None:
    one, two = await start(), await start()
    await enqueue(fleet, *range(40))
    await eventually(lambda: sorted(ran) == list(range(40)))
    assert one._parts.metrics.claimed + two._parts.metrics.claimed == 40


async def test_who_goes_quiet_claims_nothing_that_comes_later(fleet: Fleet, start: Start, link: Link) -> None:
    consumer = await start()
    consumer.quiet()
    await eventually(lambda: not consumer._standing and consumer.held == 0)
    await enqueue(fleet, 1)
    assert await link.request("ZCARD", key(QUEUE, "ready:default")) == 1
    assert consumer._parts.metrics.redis_errors == 0
    assert consumer._parts.slots.busy == 0


async def test_what_stood_when_the_line_broke_is_started_once(fleet: Fleet, start: Start, link: Link) -> None:
    """The reply is lost, the claim was made: the same call again brings the job."""
    consumer = await start()
    stander = consumer._stander.broker
    await enqueue(fleet, 1)
    await stander.close()
    await eventually(lambda: ran == [1])
    await eventually(lambda: consumer._standing and not busy(consumer))
    await stander.close()
    await eventually(lambda: consumer._standing and not busy(consumer))
    await enqueue(fleet, 2)
    await eventually(lambda: ran == [1, 2])
    assert consumer._parts.metrics.claimed == 2


async def test_a_worker_of_several_queues_keeps_no_slot_standing(fleet: Fleet, redis_url: str) -> None:
    parts = dataclasses.replace(make_parts(fleet), source=source_of(redis_url))
    consumers = [Consumer(name, 1, parts, compile_plans(fleet, QUEUE, parts)) for name in (QUEUE, "others")]
    for consumer in consumers:
        await consumer.keeper.join()
    working = [asyncio.create_task(consumer.run()) for consumer in consumers]
    await eventually(lambda: all(consumer._standing and not busy(consumer) for consumer in consumers))
    assert parts.slots.busy == 0
    await enqueue(fleet, 1, 2, 3)
    await eventually(lambda: sorted(ran) == [1, 2, 3])
    for consumer in consumers:
        consumer.stop()
    await asyncio.wait_for(asyncio.gather(*working), 20)
    for consumer in consumers:
        await consumer.leave()
        await consumer.close()
    await fleet.close()
