"""E12, E13: the order of middleware and hooks; and their errors, which cost no slot and no other job."""

from __future__ import annotations

import pytest

from support.apps import hooked
from support.lab import Lab
from support.polling import eventually

pytestmark = pytest.mark.parametrize("redis_server", ["valkey"], indirect=True)


def hooks(lab: Lab, job: str) -> list[str]:
    return [note["name"] for note in lab.notes("hook") if note.get("job") == job]


async def test_the_fleets_middleware_is_outermost_and_the_handler_in_the_middle(lab: Lab) -> None:
    lab.use(hooked.fleet)
    await lab.start("hooked")
    await hooked.work.enqueue("ok")
    await eventually(lab.ended)
    await eventually(lambda: len(lab.notes("layer")) == 9)
    names = ["fleet-1", "fleet-2", "queue", "task"]
    order = [(note["name"], note["side"]) for note in lab.notes("layer")]
    assert order == [*((n, "in") for n in names), ("handler", "in"), *((n, "out") for n in reversed(names))]


async def test_hooks_are_called_at_the_turns_of_a_worker_s_and_a_job_s_life(lab: Lab) -> None:
    lab.use(hooked.fleet)
    worker = await lab.start("hooked")
    good, bad = await hooked.work.enqueue("ok"), await hooked.work.enqueue("fail")
    await eventually(lab.dead)
    await eventually(lab.idle)
    assert await worker.stop() == 0
    assert hooks(lab, good.id) == ["on_job_start", "on_job_complete"]
    failed = ["on_job_start", "on_job_error"]
    assert hooks(lab, bad.id) == [*failed, "on_retry", *failed, "on_dead"]
    notes = lab.notes("hook")
    assert [notes[0]["name"], notes[-1]["name"]] == ["on_start", "on_shutdown"]
    (retry,) = (note for note in notes if note["name"] == "on_retry")
    assert (retry["error"], retry["delay"]) == ("ValueError", 0.05)
    (dead,) = (note for note in notes if note["name"] == "on_dead")
    assert dead["reason"] == "ValueError"
    assert worker.lines("on_shutdown failed")[0]["error"] == "RuntimeError"


@pytest.mark.parametrize("how", ["exception", "exit", "cancelled"])
async def test_a_hook_that_breaks_after_the_run_changes_no_outcome(lab: Lab, how: str) -> None:
    lab.use(hooked.fleet)
    worker = await lab.start("hooked", WORKER_COUNT="2")
    after = dict.fromkeys(("on_job_complete", "on_job_error", "on_retry", "on_dead"), how)
    good = await hooked.work.options(meta=after).enqueue("ok")
    bad = await hooked.work.options(meta=after).enqueue("fail")
    await eventually(lab.dead)
    await eventually(lab.idle)
    assert lab.events(good.id) == ["start", "end"]
    assert lab.events(bad.id) == ["start", "failed"] * 2
    assert (await lab.dead())[bad.id].reason == "ValueError"
    lines = worker.lines("hook failed")
    assert [line["hook"] for line in lines if line["job_id"] == bad.id] == [
        "on_job_error",
        "on_retry",
        "on_job_error",
        "on_dead",
    ]
    await _works_on_all_slots(lab)
    assert await worker.stop() == 0


@pytest.mark.parametrize("how", ["exception", "exit", "cancelled"])
async def test_a_hook_that_breaks_before_the_run_fails_it(lab: Lab, how: str) -> None:
    lab.use(hooked.fleet)
    await lab.start("hooked", WORKER_COUNT="2")
    job = await hooked.work.options(meta={"on_job_start": how}, max_retries=0).enqueue("ok")
    await eventually(lab.dead)
    reasons = {"exception": "RuntimeError", "exit": "SystemExit", "cancelled": "CancelledError"}
    assert (await lab.dead())[job.id].reason == reasons[how]
    assert not lab.events(job.id)
    await _works_on_all_slots(lab)


async def test_middleware_that_breaks_fails_the_run_and_one_that_skips_succeeds(lab: Lab) -> None:
    lab.use(hooked.fleet)
    await lab.start("hooked", WORKER_COUNT="2")
    broken = await hooked.work.options(meta={"break": "middleware"}, max_retries=0).enqueue("ok")
    skipped = await hooked.work.options(meta={"break": "skip"}).enqueue("ok")
    await eventually(lab.dead)
    await eventually(lab.idle)
    assert set(await lab.dead()) == {broken.id}
    assert "on_job_complete" in hooks(lab, skipped.id)
    await _works_on_all_slots(lab)


async def test_slow_hooks_do_not_count_against_the_handler_s_time(lab: Lab) -> None:
    lab.use(hooked.fleet)
    await lab.start("hooked", WORKER_COUNT="2")
    task = hooked.work.options(timeout=0.5, max_retries=0, meta={"on_job_complete": "slow", "on_job_error": "slow"})
    good, bad, hung = await task.enqueue("ok"), await task.enqueue("fail"), await task.enqueue("hang")
    await eventually(lab.idle)
    assert lab.events(good.id) == ["start", "end"]
    dead = await lab.dead()
    assert {dead[bad.id].reason, dead[hung.id].reason} == {"ValueError", "TimeoutError"}
    await _works_on_all_slots(lab)


async def _works_on_all_slots(lab: Lab) -> None:
    before = len(lab.ended())
    for _ in range(6):
        await hooked.work.enqueue("ok")
    await eventually(lambda: len(lab.ended()) == before + 6)
