"""RQ with kept results off (result_ttl=0) and its bulk call, which is one pipeline.

Its worker runs one job at a time; SimpleWorker runs it without a fork, which is the fastest it offers.
"""

from __future__ import annotations

import os

import meter
from redis import Redis
from rq import Queue

SLICE = 1_000
"""Jobs per enqueue_many."""

queue = Queue("bench", connection=Redis.from_url(os.environ["REDIS_URL"]))


def noop() -> None:
    meter.ran()
    meter.block()


async def open_producer() -> None:
    queue.connection.ping()


async def enqueue_one() -> None:
    queue.enqueue("app.noop", result_ttl=0)


async def enqueue_bulk(jobs: int) -> None:
    for start in range(0, jobs, SLICE):
        queue.enqueue_many([Queue.prepare_data("app.noop", result_ttl=0) for _ in range(min(SLICE, jobs - start))])


async def close_producer() -> None:
    queue.connection.close()
