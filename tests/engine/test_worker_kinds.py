"""E1: handlers in the loop, in threads and in processes, as many at a time as there are slots."""

from __future__ import annotations

import pytest

from support.apps import kinds, slow_start
from support.lab import Lab
from support.polling import eventually

TASKS = (kinds.in_loop, kinds.in_thread, kinds.in_process, kinds.loop_in_process)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
async def test_every_kind_runs_each_job_once_where_it_should(lab: Lab, task: kinds.AnyTask) -> None:
    lab.use(kinds.fleet)
    worker = await lab.start("kinds")
    jobs = [await task.enqueue(f"t{i}", 0) for i in range(5)]
    await eventually(lambda: len(lab.ended()) == 5)
    assert lab.ended() == dict.fromkeys((job.id for job in jobs), 1)
    assert {note["tag"] for note in lab.notes("ran")} == {f"t{i}" for i in range(5)}
    pids = {note["pid"] for note in lab.notes("ran")}
    assert (pids == {worker.pid}) is not task.settings.process
    assert await worker.stop() == 0
    assert await lab.idle()
    assert (await lab.stats()).dead == 0


@pytest.mark.parametrize(
    ("task", "count"),
    [(kinds.in_loop, 6), (kinds.in_thread, 6), (kinds.in_process, 2)],
    ids=lambda v: getattr(v, "name", v),
)
async def test_concurrency_is_what_was_asked_for(lab: Lab, task: kinds.AnyTask, count: int) -> None:
    lab.use(kinds.fleet)
    for _ in range(2 * count):
        await task.enqueue("t", 0.3)
    await lab.start("kinds", WORKER_COUNT=str(count))
    await eventually(lambda: len(lab.ended()) == 2 * count)
    assert _most_at_once(lab) == count


def _most_at_once(lab: Lab) -> int:
    running = most = 0
    for line in lab.runs():
        running += 1 if line.event == "start" else -1
        most = max(most, running)
    return most


async def test_threads_of_the_loop_and_of_handlers_differ(lab: Lab) -> None:
    lab.use(kinds.fleet)
    await lab.start("kinds")
    await kinds.in_loop.enqueue("loop", 0)
    await kinds.in_thread.enqueue("thread", 0)
    await eventually(lambda: len(lab.ended()) == 2)
    threads = {note["tag"]: note["thread"] for note in lab.notes("ran")}
    assert threads["loop"] != threads["thread"]


async def test_children_die_with_a_killed_worker(lab: Lab) -> None:
    lab.use(kinds.fleet)
    worker = await lab.start("kinds")
    await kinds.in_process.enqueue("t", 30)
    child = (await eventually(lambda: lab.notes("ran")))[0]["pid"]
    worker.process.kill()
    worker.process.wait(10)
    await eventually(lambda: not _lives(child))


async def test_the_start_of_a_child_is_no_part_of_the_handler_s_time(lab: Lab) -> None:
    lab.use(slow_start.fleet)
    await lab.start("slow_start", WORKER_COUNT="1", IMPORT_SECONDS="3")
    for _ in range(2):
        await slow_start.quick.enqueue()
    await eventually(lambda: len(lab.ended()) == 2, within=60)
    assert len(lab.notes("importing")) == 1
    assert await lab.dead() == {}


async def test_a_child_that_does_not_get_ready_fails_the_job_and_leaves_nothing(lab: Lab) -> None:
    lab.use(slow_start.fleet)
    worker = await lab.start("slow_start", IMPORT_SECONDS="600", STARTUP_TIMEOUT="5s")
    job = await slow_start.quick.enqueue()
    dead = await eventually(lab.dead, within=60)
    assert (dead[job.id].reason, dead[job.id].record.error) == (
        "ChildDiedError",
        "ChildDiedError: the process for the handler was not ready in 5 s",
    )
    (child,) = (note["child"] for note in lab.notes("importing"))
    await eventually(lambda: not _lives(child))
    assert await worker.stop() == 0


def _lives(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_a_middleware_that_runs_handlers_in_a_task_of_its_own_gives_each_job_its_own_child(lab: Lab) -> None:
    lab.use(kinds.fleet)
    worker = await lab.start("kinds", WORKER_COUNT="2", APART="1")
    jobs = [await kinds.in_process.enqueue(f"t{i}", 0.2) for i in range(6)]
    await eventually(lambda: len(lab.ended()) == 6)
    assert lab.ended() == dict.fromkeys((job.id for job in jobs), 1)
    assert len({note["pid"] for note in lab.notes("ran")}) == 2
    assert await lab.dead() == {}
    assert await worker.stop() == 0
