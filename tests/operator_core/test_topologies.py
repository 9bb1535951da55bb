"""The operator's look at Redis, on each way to run it: the numbers of many queues, the signals of those that sleep."""

from __future__ import annotations

import asyncio

import pytest

from headrace.brokers.redis import RedisBroker
from headrace.client.producer import Producer
from headrace.contract.entry import Entry
from headrace.contract.stats import QueueStats
from headrace.wire.link import Link
from headrace.wire.target import parse_target
from headrace_operator.api.names import QueueKey
from headrace_operator.reconcile.redis_watch import RedisWatch
from headrace_operator.reconcile.settings import ReconcileSettings
from support.polling import eventually

QUEUES = ["a", "b", "c", "d", "e"]


@pytest.mark.everywhere
async def test_numbers_and_signals_of_queues_wherever_they_are(link: Link, redis_url: str) -> None:
    # Polling alone would be too late for this test.
    watch = RedisWatch(parse_target(redis_url), ReconcileSettings(poll=3600, poll_busy=3600))
    for queue in QUEUES:
        watch.follow(queue, QueueKey("home", queue), lambda: None)
    running = asyncio.create_task(watch.run())
    await watch.first_look(QUEUES)

    assert all(isinstance(watch.reading(queue).stats, QueueStats) for queue in QUEUES)
    for queue in QUEUES:
        watch.let_rest(queue, True)

    async def all_sleep() -> bool:
        return all([(await watch.admin(queue).stats()).asleep for queue in QUEUES])

    await eventually(all_sleep)
    for queue in QUEUES:
        await Producer(RedisBroker(link), queue).enqueue([Entry("job", b"x")])

        def heard(queue: str = queue) -> bool:
            stats = watch.reading(queue).stats
            return isinstance(stats, QueueStats) and stats.ready == 1

        await eventually(heard)
    running.cancel()
    await asyncio.wait({running})
