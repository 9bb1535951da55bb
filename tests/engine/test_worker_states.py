"""E17: where a job stands, and calling it off, in each state; running ones on handlers of each kind."""

from __future__ import annotations

import pytest

from headrace import State
from headrace.client.job import Job
from support.apps import failing, kinds, slow
from support.lab import Lab
from support.polling import eventually

pytestmark = pytest.mark.parametrize("redis_server", ["valkey"], indirect=True)


async def _state(job: Job, wanted: State) -> None:
    async def stands() -> bool:
        return await job.state() is wanted

    await eventually(stands)


async def test_ready_and_scheduled_jobs_can_be_called_off(lab: Lab) -> None:
    lab.use(kinds.fleet)
    ready = await kinds.in_loop.enqueue("t", 0)
    delayed = await kinds.in_loop.options(delay=3600).enqueue("t", 0)
    assert (await ready.state(), await delayed.state()) == (State.READY, State.SCHEDULED)
    assert [await ready.cancel(), await delayed.cancel()] == [True, True]
    assert (await ready.state(), await delayed.state()) == (State.DONE, State.DONE)
    assert [await ready.cancel(), await delayed.cancel()] == [False, False]
    await lab.start("kinds")
    marker = await kinds.in_loop.enqueue("marker", 0)
    await _state(marker, State.DONE)
    assert set(lab.ended()) == {marker.id}


async def test_a_waiting_retry_can_be_called_off(lab: Lab) -> None:
    lab.use(failing.fleet)
    await lab.start("failing")
    job = await failing.later.enqueue(3600, False)
    await _state(job, State.SCHEDULED)
    assert await job.cancel()
    assert await lab.idle()


@pytest.mark.parametrize("task", [slow.hold, slow.hold_thread, slow.hold_process], ids=lambda task: task.name)
async def test_a_running_job_is_called_off_within_seconds(lab: Lab, task: slow.AnyTask) -> None:
    lab.use(slow.fleet)
    worker = await lab.start("slow", WORKER_COUNT="1")
    job = await task.enqueue(30)
    await eventually(lambda: lab.events(job.id) == ["start"])
    assert await job.state() is State.LEASED
    assert await job.cancel()
    await eventually(lab.idle, within=20)
    assert await job.state() is State.DONE
    assert not await job.cancel()
    assert not await lab.dead()
    assert (await lab.stats()).cancelled == 1
    assert (await worker.logged("job cancelled"))["job_id"] == job.id
    assert "end" not in lab.events(job.id)
    after = await slow.hold.enqueue(0)
    await _state(after, State.DONE)


async def test_done_and_dead_are_final(lab: Lab) -> None:
    lab.use(failing.fleet)
    await lab.start("failing")
    done, dead = await failing.echo.enqueue("x"), await failing.fail.enqueue("Exception")
    await _state(dead, State.DEAD)
    await _state(done, State.DONE)
    assert [await done.cancel(), await dead.cancel()] == [False, False]
    assert await dead.state() is State.DEAD


async def test_a_cancelled_job_that_ends_well_all_the_same_is_done_once(lab: Lab) -> None:
    lab.use(slow.fleet)
    await lab.start("slow")
    job = await slow.stubborn.enqueue(2.5)
    await eventually(lambda: lab.events(job.id) == ["start"])
    assert await job.cancel()
    await eventually(lab.idle)
    assert lab.events(job.id) == ["start", "end"]
    assert (await lab.admin().audit.run()).clean
