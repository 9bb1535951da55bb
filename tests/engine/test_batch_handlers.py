"""E11 by real workers: one call for many jobs, each of which is checked, retried, cancelled and settled by itself."""

from __future__ import annotations

import asyncio

import pytest

from headrace import Fleet, JobCancelledError, JobDeadError
from headrace.errors import PayloadError
from support.apps import batching
from support.lab import Lab
from support.polling import eventually

LONG = 60.0


@pytest.fixture
def batches(lab: Lab) -> Lab:
    lab.use(batching.fleet)
    return lab


async def test_full_batches_do_not_wait_and_the_rest_waits_a_moment(batches: Lab) -> None:
    jobs = [await batching.index.enqueue(batching.Word("ab", i)) for i in range(25)]
    await batches.start("batching")
    assert [await job.result(LONG) for job in jobs] == [2 * i for i in range(25)]
    sizes = [len(call["jobs"]) for call in batches.notes("indexed")]
    assert sum(sizes) == 25
    assert sizes.count(10) == 2, sizes
    assert await batches.idle()


async def test_no_more_in_a_batch_than_there_are_slots(batches: Lab) -> None:
    jobs = [await batching.index.enqueue(batching.Word("ab")) for _ in range(9)]
    await batches.start("batching", WORKER_COUNT="3")
    assert [await job.result(LONG) for job in jobs] == [2] * 9
    assert max(len(call["jobs"]) for call in batches.notes("indexed")) <= 3


async def test_a_plain_function_gets_its_list_in_a_thread(batches: Lab) -> None:
    ids = await batching.in_thread.enqueue_many([{"words": f"w{i}"} for i in range(30)])
    await batches.start("batching")
    await eventually(lambda: len(batches.ended()) == 30)
    assert batches.ended() == dict.fromkeys(ids, 1)
    await eventually(batches.idle)


async def test_payloads_are_checked_one_by_one(batches: Lab) -> None:
    with pytest.raises(PayloadError, match="instance of Word"):
        await batching.index.enqueue("no word")  # type: ignore[arg-type]
    careless = Fleet(batches.url)
    batches.use(careless)
    good = await batching.index.enqueue(batching.Word("abc"))
    bad = await careless.queue("jobs").task(name="index")(_anything).enqueue("no word")
    await batches.start("batching")
    assert await good.result(LONG) == 3
    with pytest.raises(JobDeadError, match="instance of Word"):
        await batching.index.job(bad.id).result(LONG)
    assert [call["jobs"] for call in batches.notes("indexed")] == [[good.id]]


def _anything(words: object) -> None: ...


async def test_each_is_settled_as_the_handler_said(batches: Lab) -> None:
    words = ["a", "bury", "once", "never", "b"]
    async with batching.jobs.batch():
        jobs = [await batching.mixed.enqueue(word) for word in words]
    await batches.start("batching")
    ends = await asyncio.gather(*(job.result(LONG) for job in jobs), return_exceptions=True)
    assert [end if isinstance(end, str) else (type(end).__name__, end.reason) for end in ends] == [  # type: ignore[union-attr]
        "A",
        ("JobDeadError", "unwanted"),
        "ONCE",
        ("JobDeadError", "ValueError"),
        "B",
    ]
    assert batches.notes("mixed")[0]["jobs"] == [job.id for job in jobs]
    stats = await batches.stats()
    assert (stats.versions[""].completed, stats.versions[""].failed, stats.dead) == (3, 4, 2)


@pytest.mark.parametrize(
    ("word", "reason", "said"),
    [
        ("raise", "LookupError", "all of it"),
        ("count", "TypeError", "returned 1 results for 3 payloads"),
        ("type", "TypeError", "returns None or a list, not str"),
    ],
)
async def test_what_is_wrong_with_the_call_is_wrong_for_all(batches: Lab, word: str, reason: str, said: str) -> None:
    async with batching.jobs.batch():
        jobs = [await batching.wrong.enqueue(text) for text in ("x", word, "y")]
    await batches.start("batching")
    for job in jobs:
        with pytest.raises(JobDeadError, match=said) as caught:
            await job.result(LONG)
        assert (caught.value.reason, caught.value.attempts) == (reason, 2)
    assert {call["attempt"] for call in batches.notes("wrong")} == {1, 2}


async def test_the_call_has_one_timeout_for_all(batches: Lab) -> None:
    async with batching.jobs.batch():
        jobs = [await batching.hangs.enqueue("x") for _ in range(3)]
    await batches.start("batching")
    for job in jobs:
        with pytest.raises(JobDeadError, match="longer than its timeout") as caught:
            await job.result(LONG)
        assert caught.value.reason == "TimeoutError"
    assert len(batches.notes("hangs")) == 1


async def test_one_is_called_off_and_the_others_go_on(batches: Lab) -> None:
    async with batching.jobs.batch():
        jobs = [await batching.slow.enqueue(4.0) for _ in range(3)]
    await batches.start("batching")
    await eventually(lambda: batches.notes("slow"))
    assert await jobs[1].cancel()
    ends = await asyncio.gather(*(job.result(LONG) for job in jobs), return_exceptions=True)
    assert [type(end) for end in ends] == [type(None), JobCancelledError, type(None)]
    assert not batches.notes("stopped")


async def test_when_all_are_called_off_the_handler_is_stopped(batches: Lab) -> None:
    async with batching.jobs.batch():
        jobs = [await batching.slow.enqueue(100.0) for _ in range(3)]
    await batches.start("batching")
    await eventually(lambda: batches.notes("slow"))
    for job in jobs:
        assert await job.cancel()
    await eventually(lambda: batches.notes("stopped"))
    await eventually(batches.idle)


async def test_a_drain_lets_a_batch_end(batches: Lab) -> None:
    async with batching.jobs.batch():
        jobs = [await batching.slow.enqueue(1.0) for _ in range(3)]
    worker = await batches.start("batching")
    await eventually(lambda: batches.notes("slow"))
    assert await worker.stop() == 0
    assert batches.ended() == dict.fromkeys((job.id for job in jobs), 1)
    assert await batches.idle()


async def test_what_does_not_end_in_time_is_given_back_uncharged(batches: Lab) -> None:
    async with batching.jobs.batch():
        jobs = [await batching.slow.enqueue(100.0) for _ in range(3)]
    worker = await batches.start("batching", SHUTDOWN_TIMEOUT="0.2s")
    await eventually(lambda: batches.notes("slow"))
    assert await worker.stop() == 0
    assert batches.notes("stopped")
    stats = await batches.stats()
    assert (stats.ready, stats.released, stats.crashed) == (3, 3, 0)
    views = [await batches.admin().jobs.locate(job.id) for job in jobs]
    assert [view.attempts for view in views] == [0, 0, 0]


async def test_kill_9_in_the_midst_of_a_batch_loses_nothing(batches: Lab) -> None:
    first = await batches.start("batching", LEASE="1s")
    async with batching.jobs.batch():
        jobs = [await batching.slow.enqueue(1.5) for _ in range(5)]
    await eventually(lambda: batches.notes("slow"))
    first.process.kill()
    await batches.start("batching", LEASE="1s")
    await asyncio.gather(*(job.result(LONG) for job in jobs))
    assert batches.ended() == dict.fromkeys((job.id for job in jobs), 1)
    assert (await batches.stats()).crashed == 5
    report = await batches.admin().audit.run()
    assert report.clean


async def test_middleware_is_each_job_s_own(batches: Lab) -> None:
    async with batching.jobs.batch():
        jobs = [await batching.wrapped.enqueue("x") for _ in range(5)]
    await batches.start("batching")
    await eventually(lambda: sum(call["count"] for call in batches.notes("inside")) == 5)
    assert {note["job"] for note in batches.notes("wrapped")} == {job.id for job in jobs}
    await eventually(batches.idle)
