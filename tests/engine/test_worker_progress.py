"""E17: what a running handler says of its progress is seen within a renewal, costs no round trip, ends with its run."""

from __future__ import annotations

import pytest

from headrace import Job, Task
from headrace.contract.keys import key
from headrace.contract.progress import Progress
from headrace.wire.link import Link
from support.apps import telling
from support.lab import Lab
from support.polling import eventually

TASKS = (telling.in_loop, telling.in_thread, telling.in_process, telling.in_batch)
LEASE = "3s"


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
async def test_it_is_seen_while_the_job_runs_and_no_longer(lab: Lab, task: Task[[int], None]) -> None:
    lab.use(telling.fleet)
    await lab.start("telling", LEASE=LEASE)
    job = await task.enqueue(40)
    said = await eventually(job.progress)
    assert isinstance(said, Progress)
    assert (said.fraction, said.message) == (0.5, "word 40")
    view = await lab.admin().jobs.locate(job.id)
    assert (view.state, view.progress) == ("leased", said)
    assert 0 < await lab.link.request("PTTL", key("jobs", f"progress:{view.holder_sid}")) <= 3000
    assert 0 <= (await lab.stats()).now_ms - said.at_ms < 60_000
    _release(lab)
    await eventually(lambda: _is_done(job))
    assert await job.progress() is None


async def test_a_hundred_thousand_words_cost_no_more_calls_than_one(lab: Lab, link: Link) -> None:
    lab.use(telling.fleet)
    await lab.start("telling", LEASE=LEASE)
    before = await _calls(link)
    job = await telling.in_thread.enqueue(100_000)
    await eventually(lambda: _says(job, "word 100000"))
    # Apart from these looks: an exchange or two, a poll each second, a renewal each second.
    asked = await _calls(link) - before
    assert asked < 10_000
    _release(lab)
    await eventually(lambda: _is_done(job))


async def test_progress_goes_with_a_worker_that_dies(lab: Lab) -> None:
    lab.use(telling.fleet)
    worker = await lab.start("telling", LEASE=LEASE)
    job = await telling.in_loop.enqueue(1)
    await eventually(job.progress)
    worker.kill()
    await eventually(lambda: _says_nothing(job))


@pytest.mark.parametrize("fraction", [-0.1, 1.1, float("nan")])
async def test_a_fraction_that_is_none_fails_the_job_in_one_line(lab: Lab, fraction: float) -> None:
    lab.use(telling.fleet)
    await lab.start("telling")
    job = await telling.nonsense.enqueue(fraction)
    letter = (await eventually(lab.dead))[job.id]
    assert (letter.reason, letter.record.error) == (
        "ValueError",
        f"ValueError: progress({fraction}): use a fraction from 0 to 1",
    )


def _release(lab: Lab) -> None:
    (lab.directory / "notes").touch()


async def _says(job: Job, message: str) -> bool:
    said = await job.progress()
    return said is not None and said.message == message


async def _says_nothing(job: Job) -> bool:
    return await job.progress() is None


async def _is_done(job: Job) -> bool:
    return await job.state() == "done"


async def _calls(link: Link) -> int:
    """Scripts that the server has run."""
    told = (await link.request("INFO", "commandstats", at="")).decode()
    lines = [line for line in told.splitlines() if line.startswith("cmdstat_eval")]
    return sum(int(line.partition("calls=")[2].partition(",")[0]) for line in lines)
