"""Handlers with limits: per key, of the task, of the queue."""

from __future__ import annotations

import asyncio

from headrace import Fleet
from support.apps.journal import note, recorded

fleet = Fleet()
jobs = fleet.queue("jobs")
paced = fleet.queue("paced", rate_limit="20/s", rate_burst=2)


@jobs.task(limit_key="customer:{customer}", concurrency_limit=2, max_retries=0)
async def serve(customer: str, seconds: float = 0.0) -> None:
    with recorded():
        note("serving", customer=customer)
        await asyncio.sleep(seconds)
        note("served", customer=customer)


@jobs.task(limit_key=lambda customer: f"rate:{customer}", rate_limit="10/s", rate_burst=1)
async def call(customer: str) -> None:
    with recorded():
        note("called", customer=customer)


@jobs.task()
async def plain() -> None:
    with recorded():
        note("plain")


@paced.task()
async def tick() -> None:
    with recorded():
        note("tick")
