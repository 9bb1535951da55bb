"""arq with no kept results, uvloop and hiredis; polls often, for that decides both its throughput and its latency."""

from __future__ import annotations

import os
from typing import Any

import meter
import uvloop
from arq import create_pool
from arq.connections import ArqRedis, RedisSettings
from gathering import gather_in_chunks

uvloop.install()

AT_ONCE = 50
"""Enqueues under way at the same time."""

LOG = {"version": 1, "disable_existing_loggers": False, "loggers": {"arq": {"level": "WARNING"}}}
"""For its command line, which by default prints two lines for each job."""


async def noop(_: dict[Any, Any]) -> None:
    meter.ran()
    await meter.wait()


class WorkerSettings:
    functions = [noop]  # noqa: RUF012 - as arq's documentation writes it
    redis_settings = RedisSettings.from_dsn(os.environ["REDIS_URL"])
    max_jobs = int(os.environ["BENCH_CONCURRENCY"])
    poll_delay = float(os.environ.get("BENCH_POLL", "0.01"))
    keep_result = 0
    log_results = False


pool: ArqRedis


async def open_producer() -> None:
    global pool  # noqa: PLW0603
    pool = await create_pool(WorkerSettings.redis_settings)


async def enqueue_one() -> None:
    await pool.enqueue_job("noop")


async def enqueue_bulk(jobs: int) -> None:
    await gather_in_chunks(jobs, AT_ONCE, enqueue_one)


async def close_producer() -> None:
    await pool.aclose()
