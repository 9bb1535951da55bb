"""One handler of each kind: in the event loop, in a thread, in a child process."""

from __future__ import annotations

import asyncio
import os
import time
from typing import Any

from headrace import Context, Fleet, Task, current_context
from headrace.client.task import Next
from support.apps.journal import note, recorded

fleet = Fleet()
jobs = fleet.queue("jobs")
AnyTask = Task[[str, float], Any]


@jobs.task()
async def in_loop(tag: str, seconds: float) -> None:
    with recorded():
        note("ran", tag=tag, job=current_context().job_id)
        await asyncio.sleep(seconds)


@jobs.task()
def in_thread(tag: str, seconds: float) -> None:
    with recorded():
        note("ran", tag=tag, job=current_context().job_id)
        time.sleep(seconds)


@jobs.task(process=True)
def in_process(tag: str, seconds: float) -> None:
    with recorded():
        note("ran", tag=tag, job=current_context().job_id)
        time.sleep(seconds)


@jobs.task(process=True)
async def loop_in_process(tag: str, seconds: float) -> None:
    with recorded():
        note("ran", tag=tag, job=current_context().job_id)
        await asyncio.sleep(seconds)


if os.environ.get("APART"):

    @fleet.middleware
    async def apart(context: Context, call_next: Next) -> Any:
        """In a task of its own, as `asyncio.wait_for` does."""
        return await asyncio.ensure_future(call_next())
