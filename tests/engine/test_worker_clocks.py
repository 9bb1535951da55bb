"""Workers whose clocks are an hour off, either way: leases, delays, retries and ticks go by Redis's clock alone."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from support.apps import load, slow
from support.lab import Lab
from support.polling import eventually
from support.worker_process import TESTS, WorkerProcess

pytestmark = pytest.mark.parametrize("redis_server", ["valkey"], indirect=True)

HOUR = 3600
CLOCKS: Path = TESTS / "support" / "clocks"


async def start_skewed(lab: Lab, app: str, skew: int) -> WorkerProcess:
    """A worker that takes it to be so many seconds later than it is; its log proves that it does."""
    path = f"{CLOCKS}:{TESTS}"
    worker = await lab.start(app, LEASE="2s", WORKER_COUNT="10", PYTHONPATH=path, CLOCK_SKEW=str(skew))
    said = str(worker.lines("worker started")[0]["time"])
    assert said[:13] == time.strftime("%Y-%m-%dT%H", time.gmtime(time.time() + skew)) or said[14:16] in ("59", "00")
    return worker


async def test_delays_and_retries_are_neither_early_nor_an_hour_late(lab: Lab) -> None:
    lab.use(load.fleet)
    for skew in (-HOUR, HOUR):
        await start_skewed(lab, "load", skew)
    delayed = await load.in_loop.options(delay=3).enqueue("good", 0)
    begun = time.monotonic()
    jobs = [await load.in_loop.enqueue("flaky", 0.01) for _ in range(20)]
    await eventually(lambda: {job.id for job in jobs} <= set(lab.ended()))
    early = lab.events(delayed.id)
    assert time.monotonic() - begun > 3 or early == []
    await eventually(lambda: lab.ended()[delayed.id] == 1)
    assert time.monotonic() - begun > 2.9
    await eventually(lab.idle)
    stats = await lab.stats()
    assert (stats.crashed, stats.stale, stats.dead) == (0, 0, 0)
    assert set(lab.ended().values()) == {1}
    assert (await lab.admin().audit.run()).clean


@pytest.mark.parametrize("skew", [-HOUR, HOUR])
async def test_leases_are_kept_and_taken_over_by_redis_s_clock(lab: Lab, skew: int) -> None:
    """The killed worker's jobs go to one whose clock is off the other way, after their lease and not before."""
    lab.use(slow.fleet)
    victim = await start_skewed(lab, "slow", skew)
    job = await slow.hold.enqueue(6)
    await eventually(lambda: lab.events(job.id) == ["start"])
    await start_skewed(lab, "slow", -skew)
    await eventually(lambda: lab.ended()[job.id] == 1, within=30)
    assert lab.events(job.id) == ["start", "end"], "three leases long, and nobody else took it"
    orphan = await slow.hold.enqueue(2)
    await eventually(lambda: lab.events(orphan.id) == ["start"])
    runs_at = lab.runs()[-1].worker
    holder = next(worker for worker in lab.workers if worker.environ["HEADRACE_WORKER_ID"] == runs_at)
    holder.kill()
    await start_skewed(lab, "slow", -skew if holder is not victim else skew)
    await eventually(lambda: lab.ended()[orphan.id] == 1, within=30)
    await eventually(lab.idle)
    assert ((await lab.stats()).crashed, lab.events(orphan.id)) == (1, ["start", "start", "end"])
