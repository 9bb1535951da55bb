"""Real workers on a Redis at maxmemory, noeviction: no job is accepted, none is lost, and all that are there end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from headrace.errors import QueueFullError
from support.apps import everything
from support.lab import Lab
from support.polling import eventually

EACH = 40


@pytest.fixture
async def lab_that_fills(lab: Lab) -> AsyncIterator[Lab]:
    """Whatever the test does to maxmemory ends with it."""
    yield lab
    await lab.link.request("CONFIG", "SET", "maxmemory", "0")


async def fill(lab: Lab) -> None:
    """From here on Redis has no byte to spare."""
    await lab.link.request("CONFIG", "SET", "maxmemory", "1mb")


async def enqueue_all() -> list[str]:
    """EACH of every kind; the results of `double` in their order."""
    serving = [everything.serve.enqueue(number % 3) for number in range(EACH)]
    doubles = [everything.double.options(job_id=f"double-{number}").enqueue(number) for number in range(EACH)]
    lucky = [everything.third_time_lucky.enqueue() for _ in range(EACH)]
    unique = [everything.only.options(unique=f"u{number}", ttl=600).enqueue("x") for number in range(EACH)]
    doomed = [everything.doomed.enqueue() for _ in range(EACH)]
    return [job.id for job in await asyncio.gather(*serving, *doubles, *lucky, *unique, *doomed)]


async def test_workers_drain_it_with_limits_results_retries_and_deaths(lab_that_fills: Lab) -> None:
    lab = lab_that_fills
    lab.use(everything.fleet)
    await lab.start("everything")
    await lab.admin().control.pause()
    ids = await enqueue_all()
    await fill(lab)
    with pytest.raises(QueueFullError, match="maxmemory; the enqueue was refused, nothing was lost") as refused:
        await everything.only.enqueue("one more")
    assert refused.value.limit is None
    await lab.start("everything")  # one that comes when it is full
    assert lab.runs() == []
    await lab.admin().control.resume()
    await eventually(lambda: idle_with_nothing_parked(lab), within=60)
    doomed = set(await lab.dead())
    assert set(lab.ended()) == set(ids) - doomed
    assert len(doomed) == EACH
    assert set(lab.ended().values()) == {1}
    tries = [line for line in lab.runs() if line.event == "failed" and line.job not in doomed]
    assert len(tries) == 2 * EACH, "chains of retries went on"
    answers = [await everything.double.job(f"double-{number}").result(timeout=20) for number in range(EACH)]
    assert answers == [2 * number for number in range(EACH)]
    assert (await lab.stats()).enqueued == len(ids)
    assert (await lab.admin().audit.run()).clean


async def test_when_there_is_room_again_it_takes_jobs_again(lab_that_fills: Lab) -> None:
    lab = lab_that_fills
    lab.use(everything.fleet)
    await lab.start("everything")
    await fill(lab)
    for _ in range(3):
        with pytest.raises(QueueFullError):
            await asyncio.gather(*(everything.only.options(unique="same", ttl=600).enqueue("x") for _ in range(5)))
    await lab.link.request("CONFIG", "SET", "maxmemory", "0")
    job = await everything.only.options(unique="same", ttl=600).enqueue("x")
    await eventually(lambda: lab.ended() == {job.id: 1})
    assert (await lab.stats()).enqueued == 1


async def idle_with_nothing_parked(lab: Lab) -> bool:
    """No job waits, runs, or is held back."""
    return await lab.idle() and (await lab.stats()).parked == 0
