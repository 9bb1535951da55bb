"""What the fault loops run: short jobs that end well, fail once, are doomed, or cost their worker its life once."""

from __future__ import annotations

import asyncio
import os
import signal
import time

from headrace import Fleet, current_context
from support.apps.journal import recorded

fleet = Fleet(enqueue_timeout=30)
jobs = fleet.queue("jobs")


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
    if kind == "hungry" and not current_context().crashes:
        os.kill(os.getpid(), signal.SIGKILL)  # as the kernel does to who takes too much memory
    if kind == "doomed" or (kind == "flaky" and current_context().attempt == 1):
        raise ValueError(kind)
