"""streaq with uvloop, no kept results (ttl=0) and silent tasks: its two log lines for each job would cost it."""

from __future__ import annotations

import os
from contextlib import AsyncExitStack

import meter
from streaq import Worker

SLICE = 1_000
"""Jobs per enqueue_many, which is one pipeline."""

worker = Worker(
    redis_url=os.environ["REDIS_URL"],
    concurrency=int(os.environ["BENCH_CONCURRENCY"]),
    anyio_kwargs={"use_uvloop": True},
)
opened = AsyncExitStack()


@worker.task(ttl=0, silent=True)  # type: ignore[untyped-decorator]
async def noop() -> None:
    meter.ran()
    await meter.wait()


async def open_producer() -> None:
    await opened.enter_async_context(worker)


async def enqueue_one() -> None:
    await noop.enqueue()


async def enqueue_bulk(jobs: int) -> None:
    for start in range(0, jobs, SLICE):
        await worker.enqueue_many([noop.enqueue() for _ in range(min(SLICE, jobs - start))])


async def close_producer() -> None:
    await opened.aclose()
