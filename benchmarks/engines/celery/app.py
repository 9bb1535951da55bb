"""Celery as its guide on optimizing says for many short tasks: no results, transient messages, a high prefetch.

Not named celery.py, for it would be imported in Celery's place; the worker's options stand in benchmarks/catalogue.py.
"""

from __future__ import annotations

import os

import meter
from celery import Celery

app = Celery("bench", broker=os.environ["REDIS_URL"])
app.conf.update(
    task_ignore_result=True,
    task_default_delivery_mode="transient",
    worker_prefetch_multiplier=64,
    worker_send_task_events=False,
    worker_hijack_root_logger=False,
)


@app.task(name="noop")  # type: ignore[untyped-decorator]
def noop() -> None:
    meter.ran()
    meter.block()


async def open_producer() -> None:
    app.pool.acquire(block=True).release()


async def enqueue_one() -> None:
    noop.delay()


async def enqueue_bulk(jobs: int) -> None:
    with app.producer_pool.acquire(block=True) as producer:  # one connection, as its guide on calling tasks advises
        for _ in range(jobs):
            noop.apply_async(producer=producer)


async def close_producer() -> None:
    app.close()
