"""dramatiq with its Redis broker, without the Prometheus middleware (off by default since 2.0) and without results.

Its worker is threads only; benchmarks/catalogue.py says how many.
"""

from __future__ import annotations

import os

import dramatiq
import meter
from dramatiq.brokers.redis import RedisBroker

broker = RedisBroker(url=os.environ["REDIS_URL"])
dramatiq.set_broker(broker)


@dramatiq.actor  # type: ignore[untyped-decorator]
def noop() -> None:
    meter.ran()
    meter.block()


async def open_producer() -> None:
    broker.client.ping()


async def enqueue_one() -> None:
    noop.send()


async def enqueue_bulk(jobs: int) -> None:
    for _ in range(jobs):
        noop.send()


async def close_producer() -> None:
    broker.close()
