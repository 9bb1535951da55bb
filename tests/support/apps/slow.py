"""Handlers that take their time: to be cancelled, timed out, given back."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from typing import Any

from headrace import Fleet, Task, current_context
from support.apps.journal import note, recorded

fleet = Fleet()
jobs = fleet.queue("jobs")
AnyTask = Task[[float], Any]


@jobs.task(max_retries=0)
async def hold(seconds: float) -> None:
    with recorded():
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            note("cancelled", job=current_context().job_id)
            raise


@jobs.task(max_retries=0)
def hold_thread(seconds: float) -> None:
    with recorded():
        time.sleep(seconds)


@jobs.task(max_retries=0, process=True)
def hold_process(seconds: float) -> None:
    with recorded():
        note("holding")
        time.sleep(seconds)


@jobs.task(max_retries=0)
async def turn_sour(seconds: float) -> None:
    """Answers a cancellation with an error of its own."""
    with recorded():
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            raise ValueError("sour") from None


@jobs.task(max_retries=0)
async def stubborn(seconds: float) -> None:
    """Does not listen."""
    with recorded():
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            try:
                await asyncio.sleep(left)
            except asyncio.CancelledError:
                note("ignored")


@jobs.task(max_retries=0)
async def block_the_loop(seconds: float) -> None:
    with recorded():
        time.sleep(seconds)


@jobs.task(max_retries=0)
async def poison() -> None:
    """Costs its worker its life, each time."""
    with recorded():
        os.kill(os.getpid(), signal.SIGKILL)
