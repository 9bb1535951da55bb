"""E16 by real workers: a result comes to whoever waits for it, once it is there, and says why when it never will."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime

import pytest

from headrace import JobCancelledError, JobDeadError, ResultGoneError, ResultTimeoutError
from headrace.client import waiting
from headrace.errors import ConfigError
from headrace.wire.errors import ServerError
from headrace.wire.link import Link
from headrace.wire.target import parse_target
from support.apps import answering
from support.lab import Lab
from support.listening import listened_to
from support.polling import eventually

LONG = 60.0
"""Seconds; more than any of these waits takes on a busy machine."""


@pytest.fixture
def answers(lab: Lab) -> Lab:
    lab.use(answering.fleet)
    return lab


@pytest.fixture
def no_backstop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only a signal can end a wait now."""
    monkeypatch.setattr(waiting, "BACKSTOP", 1000.0)


async def test_a_result_comes_as_it_was_annotated(answers: Lab, no_backstop: None) -> None:
    await answers.start("answering")
    early = await answering.add.enqueue(1, 2)
    late = await answering.add.enqueue(3, 4, seconds=0.5)
    expected = [answering.Sum(total, datetime(2026, 1, 2, tzinfo=UTC)) for total in (3, 7)]
    assert list(await asyncio.gather(early.result(LONG), late.result(LONG))) == expected
    assert await answering.add.job(early.id).result(LONG) == expected[0], "kept: it can be read again"
    assert await (await answering.add_apart.enqueue(5, 6)).result(LONG) == 11


async def test_a_hundred_wait_at_once_and_each_gets_its_own(answers: Lab, no_backstop: None) -> None:
    jobs = [await answering.add.enqueue(i, i) for i in range(100)]
    waits = [asyncio.create_task(job.result(LONG)) for job in jobs]
    await answers.start("answering")
    assert [got.total for got in await asyncio.gather(*waits)] == [2 * i for i in range(100)]


async def test_a_job_with_an_id_of_its_own_is_waited_for(answers: Lab, no_backstop: None) -> None:
    wait = asyncio.create_task(answering.add.job("order-7").result(LONG))
    with pytest.raises(ResultGoneError):  # no such job yet: nothing to wait for
        await wait
    await answering.add.options(job_id="order-7").enqueue(1, 1, seconds=0.2)
    wait = asyncio.create_task(answering.add.job("order-7").result(LONG))
    await answers.start("answering")
    assert (await wait).total == 2


async def test_dead_says_why(answers: Lab, no_backstop: None) -> None:
    job = await answering.fail.enqueue("no such address")
    wait = asyncio.create_task(job.result(LONG))
    await asyncio.sleep(0)  # the wait begins first
    await answers.start("answering")
    with pytest.raises(JobDeadError, match="no such address") as caught:
        await wait
    assert (caught.value.reason, caught.value.attempts) == ("no such address", 1)


async def test_cancelled_while_it_waits_and_while_it_runs(answers: Lab, no_backstop: None) -> None:
    queued = await answering.killer.enqueue()
    wait = asyncio.create_task(queued.result(LONG))
    await listened_to(answers.link, waiting.channel_of("jobs", queued.id))
    assert await queued.cancel()
    with pytest.raises(JobCancelledError):
        await wait
    await answers.start("answering")
    running = await answering.killer.enqueue()
    await eventually(lambda: answers.notes("started"))
    wait = asyncio.create_task(running.result(LONG))
    await eventually(lambda: answers.link.request("EXISTS", "hr:{jobs}:keep"))
    assert await running.cancel()
    with pytest.raises(JobCancelledError):
        await wait


async def test_purged_jobs_are_cancelled_to_those_who_wait(answers: Lab, no_backstop: None) -> None:
    worker = await answers.start("answering")
    await eventually(lambda: answers.link.request("EXISTS", "hr:{jobs}:keep"))
    await worker.stop()
    job = await answering.add.enqueue(1, 1)
    wait = asyncio.create_task(job.result(LONG))
    await listened_to(answers.link, waiting.channel_of("jobs", job.id))
    assert await answers.admin().control.purge() == 1
    with pytest.raises(JobCancelledError):
        await wait


async def test_a_wait_has_an_end(answers: Lab) -> None:
    job = await answering.add.enqueue(1, 1)
    with pytest.raises(ResultTimeoutError, match=r"has not ended within 0\.2 s"):
        await job.result(0.2)
    with pytest.raises(TimeoutError):
        await job.result(0)


async def test_expired_is_told_from_not_ended(answers: Lab) -> None:
    await answers.start("answering")
    job = await answering.fleeting.enqueue()
    await eventually(answers.idle)
    key = f"hr:{{jobs}}:r:{job.id}"
    await eventually(lambda: _absent(answers, key))
    with pytest.raises(ResultGoneError, match="no result of it is kept"):
        await job.result(LONG)


async def _absent(lab: Lab, key: str) -> bool:
    return not await lab.link.request("EXISTS", key)


async def test_a_task_without_results_says_so_at_once(answers: Lab) -> None:
    job = await answering.forgetful.enqueue()
    with pytest.raises(ConfigError, match="task forgetful keeps no results"):
        await job.result(LONG)


@pytest.mark.parametrize(
    ("task", "arguments", "said"),
    [
        (answering.huge, (100_001,), "the limit is 100,000"),
        (answering.strange, (), "can't be encoded"),
        (answering.strange_apart, (), "can't be encoded"),
    ],
    ids=["too-large", "not-encodable", "not-encodable-in-a-process"],
)
async def test_a_result_that_cannot_be_kept_is_a_dead_letter(
    answers: Lab, task: object, arguments: tuple[int, ...], said: str
) -> None:
    await answers.start("answering")
    job = await task.enqueue(*arguments)  # type: ignore[attr-defined]
    with pytest.raises(JobDeadError, match=said) as caught:
        await job.result(LONG)
    assert caught.value.reason == "InvalidResult"


async def test_a_child_process_may_return_what_a_thread_may(answers: Lab) -> None:
    await answers.start("answering")
    model = await answering.model_apart.enqueue()
    assert await model.result(LONG) == answering.Answer(number=7)
    await answering.strange_unkept.enqueue()
    await eventually(answers.idle)
    assert await answers.dead() == {}


async def test_the_newest_results_stay(answers: Lab) -> None:
    await answers.start("answering", WORKER_COUNT="1")
    ids = await answering.count.enqueue_many([{"number": i} for i in range(20)])
    assert await answering.count.job(ids[-1]).result(LONG) == 19
    kept = [i for i in ids if await answers.link.request("EXISTS", f"hr:{{jobs}}:r:{i}")]
    assert kept == ids[-3:]
    assert await answers.link.request("ZCARD", "hr:{jobs}:kept:count") == 3


async def test_a_worker_killed_in_mid_job_delays_the_result_only(answers: Lab, no_backstop: None) -> None:
    first = await answers.start("answering", LEASE="1s")
    job = await answering.add.enqueue(20, 22, seconds=1)
    wait = asyncio.create_task(job.result(LONG))
    await eventually(lambda: answers.events(job.id) == ["start"])
    first.process.kill()
    await answers.start("answering", LEASE="1s")
    assert (await wait).total == 42
    assert answers.events(job.id) == ["start", "start", "end"]


async def test_a_lost_subscription_comes_back_and_misses_nothing(answers: Lab, no_backstop: None) -> None:
    other = Link(parse_target(answers.url))
    job = await answering.add.enqueue(1, 2)
    wait = asyncio.create_task(job.result(LONG))
    await listened_to(other, waiting.channel_of("jobs", job.id))
    await other.request("CLIENT", "KILL", "TYPE", "pubsub")
    await answers.start("answering")
    assert (await wait).total == 3
    await other.close()


async def test_the_backstop_serves_where_no_signal_comes(answers: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "BACKSTOP", 0.2)
    monkeypatch.setattr(waiting, "channel_of", lambda queue, job_id: "hr:{jobs}:done:nothing-is-said-here")
    await answers.start("answering")
    began = time.monotonic()
    assert (await (await answering.add.enqueue(1, 2, seconds=0.3)).result(LONG)).total == 3
    assert time.monotonic() - began < LONG / 2


async def test_an_acl_without_channels_fails_nobody(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    await lab.link.request("ACL", "SETUSER", "mute", "on", ">secret", "~*", "+@all", "resetchannels")
    monkeypatch.setattr(waiting, "BACKSTOP", 0.2)
    url = lab.url.replace("redis://", "redis://mute:secret@")
    try:
        answering.fleet.connect_to(url)
        await lab.start("answering", url=url)
        assert (await (await answering.add.enqueue(1, 2, seconds=0.3)).result(LONG)).total == 3
        with pytest.raises(ServerError, match="NOPERM"):
            async with answering.jobs.results():
                pass
    finally:
        await answering.fleet.close()
        await lab.link.request("ACL", "DELUSER", "mute")
