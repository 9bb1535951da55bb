"""One task of each kind that keeps something in Redis: limits, results, retries with their delays, deaths."""

from __future__ import annotations

import asyncio

from headrace import Fleet, current_context
from support.apps.journal import recorded

fleet = Fleet(enqueue_timeout=2)
jobs = fleet.queue("jobs")


@jobs.task(limit_key="customer:{customer}", concurrency_limit=1, max_retries=0)
async def serve(customer: int) -> None:
    with recorded():
        await asyncio.sleep(0.01)


@jobs.task(result_ttl=600, result_keep=1000)
async def double(number: int) -> int:
    with recorded():
        return 2 * number


@jobs.task(max_retries=3, retry_base=0.1)
async def third_time_lucky() -> None:
    with recorded():
        if current_context().attempt < 3:
            raise ValueError("not yet")


@jobs.task()
async def only(name: str) -> None:
    with recorded():
        pass


@jobs.task(max_retries=0)
async def doomed() -> None:
    with recorded():
        raise ValueError("doomed")
