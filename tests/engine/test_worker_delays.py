"""E7: a delayed job, one with a time, and a retry start when they are due, also on a worker that has been idle."""

from __future__ import annotations

import random
import statistics
import time
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from support.apps import failing, kinds
from support.lab import Lab
from support.polling import eventually

pytestmark = pytest.mark.parametrize("redis_server", ["valkey"], indirect=True)

CLOSE = 0.05
"""Seconds after due; the median of several, since one may meet a busy machine."""


async def test_an_idle_worker_starts_delayed_jobs_when_they_are_due(lab: Lab) -> None:
    lab.use(kinds.fleet)
    await lab.start("kinds")
    due = {}
    for i in range(12):
        delay = random.uniform(1.0, 2.4)
        at = datetime.now(UTC) + timedelta(seconds=delay)
        task = kinds.in_loop.options(at=at) if i % 2 else kinds.in_loop.options(delay=delay)
        due[(await task.enqueue("t", 0)).id] = at.timestamp()
    assert (await lab.stats()).scheduled == 12
    await eventually(lambda: len(lab.ended()) == 12)
    late = [note["time"] - due[note["job"]] for note in lab.notes("ran")]
    assert min(late) > -0.005
    assert statistics.median(late) < CLOSE
    assert max(late) < 10


async def test_retries_come_when_they_are_due(lab: Lab) -> None:
    lab.use(failing.fleet)
    await lab.start("failing")
    late = []
    for _ in range(5):
        job = await failing.fail_until.enqueue(4)
        await eventually(partial(_done, lab, job.id))
        times = [note["time"] for note in lab.notes("attempt") if note["job"] == job.id]
        late += [b - a - d for a, b, d in zip(times, times[1:], (0.05, 0.1, 0.2), strict=False)]
    assert len(late) == 15
    assert min(late) > -0.002
    assert statistics.median(late) < CLOSE


def _done(lab: Lab, job: str) -> bool:
    return lab.ended()[job] == 1


def _has_run(lab: Lab, times: int) -> bool:
    return len(lab.notes("ran")) == times


async def test_a_time_that_has_passed_is_now(lab: Lab) -> None:
    lab.use(kinds.fleet)
    await lab.start("kinds")
    await kinds.in_loop.options(at=datetime(2020, 1, 1, tzinfo=UTC)).enqueue("t", 0)
    await eventually(lambda: lab.notes("ran"))


async def test_an_enqueue_reaches_an_idle_worker_at_once(lab: Lab) -> None:
    lab.use(kinds.fleet)
    await lab.start("kinds")
    waits = []
    for i in range(10):
        before = time.time()
        await kinds.in_loop.enqueue(f"t{i}", 0)
        await eventually(partial(_has_run, lab, i + 1), every=0.005)
        waits.append(lab.notes("ran")[-1]["time"] - before)
    assert statistics.median(waits) < CLOSE
