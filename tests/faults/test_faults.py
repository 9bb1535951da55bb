"""E2 under faults, a few runs of each; `make soak` makes many (`python -m tests.faults`).

HEADRACE_FAULT_RUNS says how many, HEADRACE_FAULT_SEED makes them the same again.
"""

from __future__ import annotations

import os
import random

import pytest

from faults.catalogue import CATALOGUE, Fault
from faults.trial import most_repeats, run_once
from faults.world import Setting, World
from support.apps import load
from support.ledger import Ledger
from support.servers import RedisServer

RUNS = int(os.environ.get("HEADRACE_FAULT_RUNS", "3"))
SEED = int(os.environ.get("HEADRACE_FAULT_SEED", random.randrange(2**31)))


def _numbers(fault: Fault) -> range:
    """A failover takes many seconds, all of them waiting; streams differ in little from what is run more often."""
    often = fault.setting.topology is RedisServer and not fault.setting.streams
    return range(RUNS if often else min(RUNS, 1))


EACH = [pytest.param(fault, n, id=f"{name}-{n}") for name, fault in CATALOGUE.items() for n in _numbers(fault)]


@pytest.mark.parametrize(("fault", "number"), EACH)
async def test_no_job_is_lost_and_none_settled_twice(fault: Fault, number: int) -> None:
    verdict = await run_once(fault, SEED + number)
    assert verdict.sound, verdict
    assert verdict.jobs >= 400


async def _sabotage(world: World) -> None:
    """One acknowledged job disappears without a trace."""
    job = await load.in_loop.options(delay=3600).enqueue("good", 0)
    world.jobs[job.id] = "good"
    assert await job.cancel()


async def test_the_judge_notices_a_job_that_is_lost() -> None:
    verdict = await run_once(Fault("sabotage", _sabotage, Setting()), SEED)
    assert not verdict.sound
    assert len(verdict.lost) == 1
    assert any("settled as done, of" in complaint for complaint in verdict.complaints)


async def _run_again(world: World) -> None:
    """One job runs a second time, under another id that nobody counts on."""
    await load.in_loop.enqueue("good", 0)


async def test_the_judge_notices_a_run_that_nobody_asked_for() -> None:
    verdict = await run_once(Fault("extra", _run_again, Setting()), SEED)
    assert not verdict.sound
    assert "jobs that nobody enqueued have run" in verdict.complaints


async def _forget_a_lease(world: World) -> None:
    """Jobs run again that no lost lease accounts for: as many as one worker may repeat, and one more."""
    for number in range(most_repeats(1) + 1):
        job = await load.in_loop.enqueue("good", 0)
        world.jobs[job.id] = "good"
        Ledger(world.directory / "ledger", f"ghost-{number}").write("start", job.id)


async def test_the_judge_notices_more_repeats_than_lost_leases() -> None:
    verdict = await run_once(Fault("forgetful", _forget_a_lease, Setting(), losses=1), SEED)
    assert not verdict.sound
    assert verdict.duplicates == most_repeats(1) + 1
    assert any("for 0 leases lost" in complaint for complaint in verdict.complaints)
