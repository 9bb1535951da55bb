"""`python -m benchmarks.memory`: what a job costs Redis in memory, by state and size; the table of docs/sizing.md.

A real server, real producers and a real worker: `used_memory` after so many jobs, less that of the empty queue.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from io import StringIO
from typing import Final

from benchmarks.failures import BenchError
from benchmarks.server import Server, running_server
from headrace import Bury, Fleet
from headrace.errors import HeadraceError
from headrace.worker.app import App
from headrace.worker.launcher import Worker
from headrace.worker.log import Log
from headrace.worker.settings import load_settings

JOBS: Final = 20_000
FAR: Final = 24 * 3600
PATIENCE: Final = 300.0
"""Seconds for a worker to run all jobs of a case."""

fleet = Fleet()
queue = fleet.queue("memory")


@queue.task()
async def plain(text: str = "") -> None: ...


@queue.task(limit_key="{text}", concurrency_limit=1)
async def keyed(text: str = "") -> None: ...


@queue.task(max_retries=0)
async def fails(text: str = "") -> None:
    raise Bury("no such address")


@queue.task(result_ttl=FAR)
async def keeps(text: str = "") -> str:
    return text


@dataclass(frozen=True)
class Case:
    """One row: how its jobs come to be, and whether a worker runs them."""

    name: str
    enqueue: Callable[[int], Awaitable[object]]
    runs: bool = False


def _calls(jobs: int, size: int) -> list[dict[str, str]]:
    return [{"text": "x" * size}] * jobs


def _ids(jobs: int) -> list[str]:
    return [f"order-{number:014}" for number in range(jobs)]


CASES: Final = (
    Case("waiting, no arguments", lambda jobs: plain.enqueue_many([{}] * jobs)),
    Case("waiting, 100 bytes of arguments", lambda jobs: plain.enqueue_many(_calls(jobs, 100))),
    Case("waiting, 1,000 bytes of arguments", lambda jobs: plain.enqueue_many(_calls(jobs, 1000))),
    Case("scheduled, 100 bytes", lambda jobs: plain.options(delay=FAR).enqueue_many(_calls(jobs, 100))),
    Case(
        "waiting, 100 bytes, an id of its own (20 characters)",
        lambda jobs: plain.enqueue_many(_calls(jobs, 100), job_ids=_ids(jobs)),
    ),
    Case(
        "waiting, 20 bytes, a limit key of its own (20 characters)",
        lambda jobs: keyed.enqueue_many([{"text": each} for each in _ids(jobs)]),
    ),
    Case("dead, 100 bytes", lambda jobs: fails.enqueue_many(_calls(jobs, 100)), True),
    Case("done, 100 bytes", lambda jobs: plain.enqueue_many(_calls(jobs, 100)), True),
    Case("done, its result of 100 bytes kept", lambda jobs: keeps.enqueue_many(_calls(jobs, 100)), True),
    Case("done, its own id remembered", lambda jobs: plain.enqueue_many([{}] * jobs, job_ids=_ids(jobs)), True),
)


async def bytes_per_job(server: Server, case: Case, jobs: int) -> float:
    """Bytes of `used_memory`, of this many jobs. Raises BenchError."""
    server.empty()
    fleet.connect_to(server.url)
    try:
        await plain.enqueue()  # connections, scripts and the queue's own keys
        before = _used(server)
        await case.enqueue(jobs)
        if case.runs:
            await _run_all()
        return (_used(server) - before) / jobs
    finally:
        await fleet.close()


def _used(server: Server) -> int:
    return int(server.info("memory")["used_memory"])


async def _run_all() -> None:
    settings, _ = load_settings({"REDIS_URL": fleet.redis_url, "METRICS_PORT": "0", "LOG_JOBS": "none"})
    unread = Log("error", "json", "none", StringIO())  # a line for each dead letter
    worker = Worker(App("memory", fleet, (queue.name,)), settings, unread)
    running = asyncio.create_task(worker.run())
    async with asyncio.timeout(PATIENCE):
        while True:
            await asyncio.sleep(0.1)
            if running.done():
                raise BenchError("the worker ended by itself")
            seen = await fleet.broker.stats(queue.name)
            if not (seen.ready or seen.leased or seen.parked):
                break
        worker.stop()
        await running


def main() -> int:
    """Prints the table. Exit code 0, or 2 with one line that says what is wrong."""
    made = argparse.ArgumentParser(prog="python -m benchmarks.memory", description="What a job costs Redis in memory.")
    made.add_argument("--jobs", type=int, default=JOBS, help=f"of each kind, default {JOBS:,}")
    made.add_argument("--server", help="path of a redis-server; default the embedded Valkey")
    options = made.parse_args()
    try:
        with running_server(options.server) as server:
            print(f"{server.version()}, {options.jobs:,} jobs of each kind\n\n| a job | bytes |\n| --- | --- |")
            for case in CASES:
                used = asyncio.run(bytes_per_job(server, case, options.jobs))
                print(f"| {case.name} | {max(0, round(used / 10) * 10):,} |", flush=True)
    except (BenchError, HeadraceError, OSError) as error:
        print(f"memory: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
