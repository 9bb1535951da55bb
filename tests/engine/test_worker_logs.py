"""E23: each line about a job can be found by its fields; no line holds a payload, nor an error's message."""

from __future__ import annotations

import pytest

from headrace.brokers.redis import RedisBroker
from headrace.client.producer import Producer
from headrace.contract.entry import Entry
from headrace.contract.envelope import Envelope, encode, header
from support.apps import kinds, secretive
from support.lab import Lab
from support.polling import eventually

pytestmark = pytest.mark.parametrize("redis_server", ["valkey"], indirect=True)

SECRET = "hunter2-is-secret"
FIELDS = {"time", "level", "event", "worker_id", "job_id", "queue", "task", "attempt", "correlation_id"}


async def test_no_secret_and_all_fields(lab: Lab) -> None:
    lab.use(secretive.fleet)
    worker = await lab.start("secretive", LOG_LEVEL="debug", METRICS_TOKEN="metrics-hunter3")
    tasks = [task.options(correlation_id="c-1") for task in secretive.jobs.tasks.values()]
    jobs = [await task.enqueue(SECRET) for task in tasks]
    wrong = encode(header("fine"), Envelope(1, b"\x92\x92\xb1hunter2-is-secret\x01\x80", correlation_id="c-1"))
    await Producer(RedisBroker(lab.link), "jobs").enqueue([Entry("wrong", wrong)])
    await eventually(lab.idle)
    assert await worker.stop() == 0
    assert SECRET not in worker.output()
    assert "hunter3" not in worker.output()
    about_jobs = [line for line in worker.lines() if "job_id" in line]
    assert {line["job_id"] for line in about_jobs} == {*(job.id for job in jobs), "wrong"}
    for line in about_jobs:
        assert set(line) >= FIELDS, line
        assert (line["queue"], line["worker_id"], line["correlation_id"]) == ("jobs", "w0", "c-1")
    assert {line["event"] for line in about_jobs} == {
        "job started",
        "job done",
        "job failed, will be tried again",
        "job is a dead letter",
        "hook failed",
    }
    ends = [line for line in about_jobs if line["event"] not in ("job started", "hook failed")]
    assert all(line["seconds"] >= 0 for line in ends)
    assert len(ends) == len(worker.lines("job started"))


async def test_a_failure_names_its_class_and_place(lab: Lab) -> None:
    lab.use(secretive.fleet)
    worker = await lab.start("secretive")
    await secretive.leak.options(max_retries=0).enqueue("x")
    line = await worker.logged("job is a dead letter")
    assert line["reason"] == "ValueError"
    assert line["place"].startswith("apps/secretive.py:")


async def test_people_see_the_message_on_their_own_terminal(lab: Lab) -> None:
    lab.use(secretive.fleet)
    worker = lab.worker("secretive", LOG_FORMAT="console").launch()
    await secretive.leak.options(max_retries=0).enqueue("open sesame")
    await eventually(lambda: "open sesame" in worker.output())
    assert "job is a dead letter" in worker.output()
    worker.kill()
    worker.log_file.unlink()


async def test_lines_of_ordinary_jobs_are_limited_and_the_rest_is_counted(lab: Lab) -> None:
    lab.use(kinds.fleet)
    worker = await lab.start("kinds", LOG_JOBS="auto")
    await kinds.in_loop.enqueue_many([{"tag": "t", "seconds": 0.0}] * 400)
    await eventually(lambda: len(lab.ended()) == 400)
    assert await worker.stop() == 0
    shown = len(worker.lines("job started")) + len(worker.lines("job done"))
    left_out = sum(line["lines"] for line in worker.lines("job lines left out"))
    assert shown + left_out == 800
    assert shown < 400


@pytest.mark.parametrize(("setting", "value"), [("LOG_JOBS", "none"), ("LOG_LEVEL", "warning")])
async def test_lines_of_ordinary_jobs_can_be_turned_off(lab: Lab, setting: str, value: str) -> None:
    lab.use(kinds.fleet)
    worker = lab.worker("kinds", **{setting: value}).launch()
    await kinds.in_loop.enqueue("t", 0)
    await eventually(lab.ended)
    assert await worker.stop() == 0
    assert not worker.lines("job started")
    assert not worker.lines("job done")
