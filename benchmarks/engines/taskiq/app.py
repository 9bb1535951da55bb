"""taskiq with the streams broker of taskiq-redis (acknowledged, so comparable), orjson, no result backend.

uvloop is taken by its worker when it is installed; the worker's options stand in benchmarks/catalogue.py.
"""

from __future__ import annotations

import os

import meter
from gathering import gather_in_chunks
from taskiq.serializers import ORJSONSerializer
from taskiq_redis import RedisStreamBroker

AT_ONCE = 100
"""Enqueues under way at the same time."""

broker = RedisStreamBroker(
    os.environ["REDIS_URL"],
    max_connection_pool_size=AT_ONCE + int(os.environ["BENCH_CONCURRENCY"]),
    socket_timeout=None,
).with_serializer(ORJSONSerializer())


@broker.task("noop")  # type: ignore[untyped-decorator]
async def noop() -> None:
    meter.ran()
    await meter.wait()


async def open_producer() -> None:
    await broker.startup()


async def enqueue_one() -> None:
    await noop.kiq()


async def enqueue_bulk(jobs: int) -> None:
    await gather_in_chunks(jobs, AT_ONCE, enqueue_one)


async def close_producer() -> None:
    await broker.shutdown()
