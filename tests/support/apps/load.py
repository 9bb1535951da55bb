"""What the fault loops run: short jobs that end well, fail once, are doomed, or cost each worker its life."""

from __future__ import annotations

import asyncio
import time

from headrace import Fleet, current_context
from support.apps.journal import recorded

fleet = Fleet(enqueue_timeout=30)
jobs = fleet.queue("jobs")
BLOCK = 2**23


@jobs.task(name="in_loop", max_retries=1, retry_base=0.05)
async def in_loop(kind: str, seconds: float) -> None:
    with recorded():
        await asyncio.sleep(seconds)
        _end(kind)


@jobs.task(name="in_thread", max_retries=1, retry_base=0.05)
def in_thread(kind: str, seconds: float) -> None:
    with recorded():
        time.sleep(seconds)
        _end(kind)


def _end(kind: str) -> None:
    if kind == "greedy":
        _take_all_memory()
    if kind == "doomed" or (kind == "flaky" and current_context().attempt == 1):
        raise ValueError(kind)


def _take_all_memory() -> None:
    """Until the kernel ends the process. Where nobody sets it a limit it stops at a gibibyte, and fails."""
    taken = [b"x" * BLOCK for _ in range(2**30 // BLOCK)]
    raise AssertionError(f"could take {len(taken) * BLOCK} bytes")
