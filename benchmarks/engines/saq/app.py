"""SAQ, as its documentation tunes it: a client of our own for the pool, no kept results (ttl=-1), uvloop, hiredis."""

from __future__ import annotations

import os

import meter
import uvloop
from gathering import gather_in_chunks
from redis.asyncio import Redis
from saq.queue.redis import RedisQueue

uvloop.install()

CONCURRENCY = int(os.environ["BENCH_CONCURRENCY"])
AT_ONCE = 100
"""Enqueues under way at the same time."""

# Each slot blocks in BLMOVE on a connection of its own, longer than redis-py's default socket timeout.
client = Redis.from_url(os.environ["REDIS_URL"], max_connections=CONCURRENCY + AT_ONCE + 50, socket_timeout=None)
queue = RedisQueue(client, max_concurrent_ops=AT_ONCE)


async def noop(_: object) -> None:
    meter.ran()
    await meter.wait()


settings = {"queue": queue, "functions": [noop], "concurrency": CONCURRENCY}


async def open_producer() -> None:
    await queue.connect()


async def enqueue_one() -> None:
    await queue.enqueue("noop", ttl=-1)


async def enqueue_bulk(jobs: int) -> None:
    await gather_in_chunks(jobs, AT_ONCE, enqueue_one)


async def close_producer() -> None:
    await queue.disconnect()
