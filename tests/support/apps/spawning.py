"""Handlers of each kind that enqueue further jobs."""

from __future__ import annotations

import asyncio
from typing import Any

from headrace import Fleet, Task, current_context
from support.apps.journal import note, recorded

fleet = Fleet()
jobs = fleet.queue("jobs")
AnyTask = Task[[int], Any]


@jobs.task()
async def leaf(number: int) -> None:
    with recorded():
        context = current_context()
        note("leaf", number=number, correlation=context.correlation_id, meta=dict(context.meta))


@jobs.task()
async def many_leaves(count: int) -> None:
    with recorded():
        await asyncio.gather(*(leaf.enqueue(number) for number in range(count)))
        await leaf.enqueue_many([{"number": number} for number in range(count, 2 * count)])


@jobs.task()
def leaves_by_thread(count: int) -> None:
    with recorded():
        asyncio.run(_enqueue(count))


@jobs.task(process=True)
async def leaves_by_process(count: int) -> None:
    with recorded():
        await _enqueue(count)


async def _enqueue(count: int) -> None:
    for number in range(2 * count):
        await leaf.enqueue(number)


@jobs.task(max_retries=0)
async def bad_child() -> None:
    with recorded():
        await leaf.enqueue("not a number")  # type: ignore[arg-type]
