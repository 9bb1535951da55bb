"""headrace as shipped: every setting at its default."""

from __future__ import annotations

import meter

from headrace import Fleet

SLICE = 20_000
"""Jobs per enqueue_many."""

fleet = Fleet()
queue = fleet.queue("bench")


@queue.task()
async def noop() -> None:
    meter.ran()
    await meter.wait()


async def open_producer() -> None:
    await fleet.broker.problems()


async def enqueue_one() -> None:
    await noop.enqueue()


async def enqueue_bulk(jobs: int) -> None:
    for start in range(0, jobs, SLICE):
        await noop.enqueue_many({} for _ in range(min(SLICE, jobs - start)))


async def close_producer() -> None:
    await fleet.close()
