"""BullMQ's Python port: its bulk call, jobs removed when they are done, uvloop and hiredis."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import Any

import meter
import uvloop
from bullmq import Queue, Worker

SLICE = 1_000
"""Jobs per addBulk, which is one transaction."""
KEEP_NOTHING = {"removeOnComplete": True}

URL = os.environ["REDIS_URL"]
queue: Any = None


async def noop(_job: object, _token: str) -> None:
    meter.ran()
    await meter.wait()


async def open_producer() -> None:
    global queue  # noqa: PLW0603
    queue = Queue("bench", {"connection": URL})


async def enqueue_one() -> None:
    await queue.add("noop", {}, KEEP_NOTHING)


async def enqueue_bulk(jobs: int) -> None:
    for start in range(0, jobs, SLICE):
        count = min(SLICE, jobs - start)
        await queue.addBulk([{"name": "noop", "data": {}, "opts": KEEP_NOTHING} for _ in range(count)])


async def close_producer() -> None:
    await queue.close()


async def work() -> None:
    """Until SIGTERM, as its guide writes it."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    worker = Worker("bench", noop, {"connection": URL, "concurrency": int(os.environ["BENCH_CONCURRENCY"])})
    await stop.wait()
    await worker.close()


if __name__ == "__main__":
    uvloop.install()
    asyncio.run(work())
