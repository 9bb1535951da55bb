"""E2 on real workers: who keeps a lease, who loses it, and that the loser changes nothing any more."""

from __future__ import annotations

import os
import signal

import pytest

from headrace.contract.protocol import CRASH_LIMIT, SUSPECT_AFTER
from support.apps import kinds, slow
from support.lab import Lab
from support.polling import eventually

SOAK = os.environ.get("HYPOTHESIS_PROFILE") == "soak"
BLOCKS = [(1, 6), *([(10, 60)] if SOAK else [])]
"""Seconds of lease and of `time.sleep`."""
pytestmark = pytest.mark.parametrize("redis_server", ["valkey"], indirect=True)


@pytest.mark.parametrize(("lease", "seconds"), BLOCKS)
async def test_a_handler_that_blocks_the_loop_keeps_its_lease(lab: Lab, lease: int, seconds: int) -> None:
    lab.use(slow.fleet)
    for _ in range(2):
        await lab.start("slow", LEASE=f"{lease}s", LOOP_BLOCK_LIMIT="120s")
    job = await slow.block_the_loop.enqueue(seconds)
    await eventually(lambda: lab.ended()[job.id] == 1, within=seconds + 30)
    await eventually(lab.idle)
    assert lab.events(job.id) == ["start", "end"]
    assert (await lab.stats()).crashed == 0


async def test_beyond_the_limit_the_job_goes_to_another_and_the_late_end_is_refused(lab: Lab) -> None:
    lab.use(slow.fleet)
    workers = [await lab.start("slow", LEASE="1s", LOOP_BLOCK_LIMIT="1s") for _ in range(2)]
    job = await slow.block_the_loop.enqueue(5)
    await eventually(lambda: len(lab.events(job.id)) >= 2, within=8)
    assert lab.events(job.id)[:2] == ["start", "start"], "another took it while the first still ran"
    await eventually(lambda: lab.events(job.id).count("end") >= 2, within=20)
    await eventually(lambda: any(worker.lines("the lease was lost; starting a new session") for worker in workers))
    losses = [line for worker in workers for line in worker.lines("the lease was lost; starting a new session")]
    seen = await lab.stats()
    assert seen.crashed >= 1
    assert seen.stale + sum(line["running"] + line["dropped"] for line in losses) >= 1
    assert sum(version.completed for version in seen.versions.values()) <= 1


async def test_a_frozen_worker_comes_back_to_nothing_and_goes_on(lab: Lab) -> None:
    lab.use(slow.fleet)
    frozen = await lab.start("slow", LEASE="1s")
    job = await slow.hold.enqueue(2)
    await eventually(lambda: lab.events(job.id) == ["start"])
    frozen.signal(signal.SIGSTOP)  # before the other starts, which may take longer than the job
    await lab.start("slow", LEASE="1s")
    await eventually(lambda: lab.ended()[job.id] == 1)
    frozen.signal(signal.SIGCONT)
    await frozen.logged("the lease was lost; starting a new session")
    metrics = (await frozen.http("/metrics")).text
    assert "worker_lease_losses_total 1.0" in metrics
    await eventually(lab.idle)
    seen = await lab.stats()
    assert sum(version.completed for version in seen.versions.values()) == 1
    assert (await lab.admin().audit.run()).clean
    again = [await slow.hold.enqueue(0.3) for _ in range(200)]
    await eventually(lab.idle)
    assert {lab.ended()[one.id] for one in again} == {1}
    assert "w0" in {line.worker for line in lab.runs() if line.job in {one.id for one in again}}


async def test_a_killed_worker_s_jobs_run_elsewhere_and_count_as_crashed_not_as_failed(lab: Lab) -> None:
    lab.use(slow.fleet)
    victim = await lab.start("slow", LEASE="1s")
    job = await slow.hold.enqueue(1)
    await eventually(lambda: lab.events(job.id) == ["start"])
    victim.kill()
    await lab.start("slow", LEASE="1s")
    await eventually(lambda: lab.ended()[job.id] == 1)
    assert [line.attempt for line in lab.runs()] == [1, 1, 1]
    await eventually(lab.idle)
    seen = await lab.stats()
    assert (seen.crashed, seen.dead) == (1, 0)


async def test_a_job_that_kills_its_worker_dies_and_its_neighbours_lose_no_attempt(lab: Lab) -> None:
    """Neighbours have one attempt each: had a crash cost it, they would be dead."""
    lab.use(slow.fleet)
    poison = await slow.poison.enqueue()
    neighbours = [await slow.hold.enqueue(0.2) for _ in range(40)]
    for _ in range(CRASH_LIMIT):
        code = await lab.worker("slow", LEASE="1s", WORKER_COUNT="5").launch().exit_code(within=40)
        assert code == -signal.SIGKILL
    await lab.start("slow", LEASE="1s", WORKER_COUNT="5")
    await eventually(lab.idle, within=60)
    (letter,) = (await lab.dead()).values()
    assert (letter.id, letter.reason, letter.record.crashes) == (poison.id, "WorkerCrashed", CRASH_LIMIT)
    assert lab.events(poison.id) == ["start"] * CRASH_LIMIT
    assert set(lab.ended()) == {job.id for job in neighbours}
    assert {line.attempt for line in lab.runs()} == {1}
    repeated = sum(line.event == "start" for line in lab.runs()) - len(neighbours) - CRASH_LIMIT
    assert repeated <= SUSPECT_AFTER * 2 * 5, "from then on it ran alone"
    assert (await lab.admin().audit.run()).clean


async def test_two_workers_share_the_work_and_run_nothing_twice(lab: Lab) -> None:
    lab.use(kinds.fleet)
    for _ in range(2):
        await lab.start("kinds", WORKER_COUNT="10")
    ids = await kinds.in_loop.enqueue_many([{"tag": "t", "seconds": 0.01}] * 1000)
    await eventually(lambda: len(lab.ended()) == 1000, within=30)
    await eventually(lab.idle)
    assert lab.ended() == dict.fromkeys(ids, 1)
    assert {line.worker for line in lab.runs()} == {"w0", "w1"}
