"""One handler of each kind: in the event loop, in a thread, in a child process."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from headrace import Fleet, Task, current_context
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
