"""Periodic tasks, on a machine whose clock may be wrong: CLOCK_SKEW seconds are added to it."""

from __future__ import annotations

import os
import time

_right = time.time
_skew = float(os.environ.get("CLOCK_SKEW", "0"))
if _skew:
    time.time = lambda: _right() + _skew  # before headrace is asked for anything

from headrace import Fleet, current_context  # noqa: E402
from support.apps.journal import note, recorded  # noqa: E402

fleet = Fleet()
jobs = fleet.queue("jobs")


@jobs.every(1)
@jobs.task(max_retries=0)
async def each_second() -> None:
    with recorded():
        tick = current_context().tick
        assert tick is not None
        note("tick", ms=round(tick.timestamp() * 1000), worker=os.environ["HEADRACE_WORKER_ID"])


@jobs.cron(os.environ.get("SLOW_CRON", "0 3 1 1 *"), tz="Europe/Berlin")
async def rarely() -> None:
    with recorded():
        note("rarely")
