"""E13: injected resources on a real worker: opened once at its start, or once per run, and closed again."""

from __future__ import annotations

import pytest

from support.apps import injected
from support.lab import Lab
from support.polling import eventually

pytestmark = pytest.mark.parametrize("redis_server", ["valkey"], indirect=True)


def names(lab: Lab, what: str) -> list[str]:
    return [note["name"] for note in lab.notes(what)]


async def test_a_worker_opens_what_its_queues_need_once_and_closes_it_at_its_stop(lab: Lab) -> None:
    lab.use(injected.fleet)
    worker = await lab.start("injected", "--queues", "jobs")
    assert names(lab, "open") == ["on_start", "size", "pool"]
    for n in range(5):
        await injected.in_thread.enqueue(f"line {n}")  # type: ignore[call-arg]
    await eventually(lambda: len(lab.notes("thread")) == 5)
    assert len({note["pool"] for note in lab.notes("thread")}) == 1
    assert await worker.stop() == 0
    assert names(lab, "open") == ["on_start", "size", "pool"]
    assert names(lab, "close") == ["pool", "on_shutdown"]


async def test_what_is_of_one_job_is_opened_for_each_and_hears_of_its_error(lab: Lab) -> None:
    lab.use(injected.fleet)
    worker = await lab.start("injected", "--queues", "jobs")
    await injected.write.enqueue("good")  # type: ignore[call-arg]
    bad = await injected.write.enqueue("bad", fail=True)  # type: ignore[call-arg]
    await eventually(lab.idle)
    assert [note["lines"] for note in lab.notes("commit")] == [["good"]]
    assert [note["error"] for note in lab.notes("rollback")] == ["ValueError"]
    assert (await lab.dead())[bad.id].reason == "ValueError"
    assert await worker.stop() == 0
    assert lab.notes("close")[0]["uses"] == 2


async def test_a_child_process_opens_its_own_for_each_run(lab: Lab) -> None:
    lab.use(injected.fleet)
    await lab.start("injected", "--queues", "jobs", WORKER_COUNT="1")
    for n in range(2):
        await injected.in_process.enqueue(f"line {n}")  # type: ignore[call-arg]
    await eventually(lambda: len(lab.ended()) == 2)
    (worker_pid,) = {note["pid"] for note in lab.notes("open") if note["name"] == "on_start"}
    opened = [note["pid"] for note in lab.notes("open") if note["name"] == "pool"]
    closed = [note["pid"] for note in lab.notes("close") if note["name"] == "pool"]
    assert opened.count(worker_pid) == 1
    assert len(opened) == 3
    assert sorted(closed) == sorted(pid for pid in opened if pid != worker_pid)
    assert {note["size"] for note in lab.notes("process")} == {7}


async def test_a_payload_can_not_stand_in_for_a_resource(lab: Lab) -> None:
    lab.use(injected.fleet)
    await lab.start("injected", "--queues", "jobs")
    schema = await eventually(lab.admin().published.schemas)
    assert list(schema["in_thread"]["properties"]) == ["line"]
    assert set(schema["write"]["properties"]) == {"line", "fail"}


async def test_a_resource_that_can_not_be_opened_ends_the_worker_with_one_line(lab: Lab) -> None:
    worker = lab.worker("injected", "--queues", "jobs", BREAK_POOL="1").launch()
    assert await worker.exit_code() == 2
    *_, said = worker.output().splitlines()
    assert said.startswith("headrace worker: the resource pool can't be opened: OSError: no database there (apps/inj")
    worker.log_file.write_text("")  # it has said so, and not as a log line
