"""E3 on real workers: when a failed job runs again, how often, and what it holds while it waits."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

import pytest

from support.apps import failing, slow
from support.lab import Lab
from support.polling import eventually

pytestmark = pytest.mark.parametrize("redis_server", ["valkey"], indirect=True)


async def test_a_failed_job_runs_again_after_its_delay_until_it_succeeds(lab: Lab) -> None:
    lab.use(failing.fleet)
    await lab.start("failing")
    job = await failing.fail_until.enqueue(4)
    await eventually(lambda: lab.ended()[job.id] == 1)
    notes = lab.notes("attempt")
    assert [note["number"] for note in notes] == [1, 2, 3, 4]
    gaps = [later["time"] - earlier["time"] for earlier, later in pairwise(notes)]
    for gap, delay in zip(gaps, (0.05, 0.1, 0.2), strict=True):
        assert delay <= gap < delay + 0.25
    await eventually(lab.idle)
    assert not await lab.dead()


@pytest.mark.parametrize(("retries", "runs"), [(0, 1), (2, 3)])
async def test_max_retries_of_the_enqueue_wins_and_0_means_one_run(lab: Lab, retries: int, runs: int) -> None:
    lab.use(failing.fleet)
    await lab.start("failing")
    job = await failing.fail_until.options(max_retries=retries).enqueue(99)
    await eventually(lab.dead)
    letter = (await lab.dead())[job.id]
    assert (letter.reason, letter.record.attempts) == ("ValueError", runs)
    assert lab.events(job.id) == ["start", "failed"] * runs


async def test_its_trail_names_the_class_of_each_error_and_the_worker(lab: Lab) -> None:
    lab.use(failing.fleet)
    await lab.start("failing")
    job = await failing.fail_until.options(max_retries=2).enqueue(99)
    fine = await failing.fail_until.enqueue(1)
    await eventually(lab.dead)
    await eventually(lambda: lab.ended()[fine.id] == 1)
    (worker,) = await lab.admin().workers()
    seen = (await lab.admin().jobs.locate(job.id)).transitions
    assert [(one.what, one.times) for one in seen] == [("failed", 1), ("failed", 2), ("dead", 3)]
    assert {(one.error, one.worker) for one in seen} == {("ValueError", worker.worker[-36:])}
    assert await lab.link.request("HKEYS", "hr:{jobs}:trail") == [job.id.encode()]


async def test_max_retries_of_the_worker_is_for_tasks_that_do_not_say(lab: Lab) -> None:
    lab.use(failing.fleet)
    await lab.start("failing", MAX_RETRIES="1")
    job = await failing.unsaid.enqueue()
    await eventually(lab.dead)
    assert (await lab.dead())[job.id].record.attempts == 2


@pytest.mark.parametrize("task", [failing.later, failing.later_in_process], ids=lambda task: task.name)
async def test_retry_later(lab: Lab, task: failing.LaterTask) -> None:
    lab.use(failing.fleet)
    await lab.start("failing")
    free, charged = await task.enqueue(0.05, False), await task.enqueue(0.05, True)
    await eventually(lambda: lab.ended()[free.id] == 1)
    await eventually(lab.dead)
    letter = (await lab.dead())[charged.id]
    assert (letter.reason, letter.record.attempts) == ("RetryLater", 3)
    assert lab.events(free.id) == [*["start", "failed"] * 3, "start", "end"]
    assert sorted(note["attempt"] for note in lab.notes("later")) == [1, 1, 1, 1, 1, 2, 3]


async def test_retry_later_by_no_number_is_at_once(lab: Lab) -> None:
    lab.use(failing.fleet)
    await lab.start("failing")
    job = await failing.later.enqueue(math.nan, False)
    await eventually(lambda: lab.ended()[job.id] == 1)


@pytest.mark.parametrize("task", [failing.choosy, failing.choosy_in_process], ids=lambda task: task.name)
async def test_retry_on_and_never_retry_go_by_class_also_over_a_process(lab: Lab, task: failing.FailTask) -> None:
    lab.use(failing.fleet)
    await lab.start("failing")
    kinds = {"never": 1, "other": 1, "worth": 4, "worth_too": 4}
    jobs = {kind: await task.enqueue(kind) for kind in kinds}

    async def all_dead() -> bool:
        return len(await lab.dead()) == len(kinds)

    await eventually(all_dead)
    dead = await lab.dead()
    assert {kind: dead[job.id].record.attempts for kind, job in jobs.items()} == kinds
    reasons = {"never": "NeverAgain", "other": "ValueError", "worth": "WorthIt", "worth_too": "WorthItToo"}
    assert {kind: dead[job.id].reason for kind, job in jobs.items()} == reasons


async def test_a_broken_backoff_buries(lab: Lab) -> None:
    lab.use(failing.fleet)
    await lab.start("failing")
    job = await failing.broken_backoff.enqueue()
    await eventually(lab.dead)
    letter = (await lab.dead())[job.id]
    assert (letter.reason, letter.record.error) == ("BackoffFailed", "IndexError: list index out of range")


async def test_a_job_that_waits_for_its_retry_holds_no_slot(lab: Lab) -> None:
    lab.use(failing.fleet)
    await lab.start("failing", WORKER_COUNT="1")
    waiting = await failing.later.enqueue(15.0, False)
    await eventually(lambda: lab.events(waiting.id) == ["start", "failed"])
    for i in range(5):
        await failing.echo.enqueue(f"t{i}")
    await eventually(lambda: len(lab.notes("echo")) == 5, within=12)
    assert lab.events(waiting.id) == ["start", "failed"]
    assert (await lab.stats()).scheduled == 1


async def test_timeouts_count_as_failures_and_are_told_to_the_handler(lab: Lab) -> None:
    lab.use(slow.fleet)
    worker = await lab.start("slow")
    tasks = (slow.hold, slow.hold_thread, slow.hold_process)
    jobs = {task.name: await task.options(timeout=1.0).enqueue(20) for task in tasks}
    sour = await slow.turn_sour.options(timeout=1.0).enqueue(20)
    await eventually(lab.idle)
    dead = await lab.dead()
    for job in jobs.values():
        assert dead[job.id].reason == "TimeoutError"
        assert 1.0 <= dead[job.id].record.seconds < 15
    assert dead[sour.id].reason == "ValueError"
    assert [note["job"] for note in lab.notes("cancelled")] == [jobs["hold"].id]
    (child,) = (note["pid"] for note in lab.notes("holding"))
    assert not Path(f"/proc/{child}").exists()
    assert "worker_abandoned_threads_total 1.0" in (await worker.http("/metrics")).text
    assert await worker.stop() == 0


async def test_a_handler_that_ignores_its_timeout_and_ends_well_is_done(lab: Lab) -> None:
    lab.use(slow.fleet)
    await lab.start("slow")
    job = await slow.stubborn.options(timeout=0.2).enqueue(0.6)
    await eventually(lambda: lab.ended()[job.id] == 1)
    await eventually(lab.idle)
    assert lab.notes("ignored")
    assert not await lab.dead()
