"""E16: results as they come, through a bounded buffer that drops the oldest, the newest, or stops listening."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from headrace import Fleet
from headrace.brokers.redis import RedisBroker
from headrace.client import waiting
from headrace.client.producer import new_id
from headrace.client.result_stream import Ended, OnFull, Result, ResultStream
from headrace.contract.ending import Ending, Kept
from headrace.contract.envelope import DeathRecord
from headrace.errors import ConfigError, QueueUnavailableError
from headrace.worker.outcome import Buried, Cancelled, Done, Outcome, settlement
from support.apps import answering
from support.lab import Lab
from support.listening import listened_to
from support.polling import eventually
from support.queue_driver import QueueDriver

LONG = 60.0


async def take(results: ResultStream, count: int) -> list[Result]:
    """So many, within LONG seconds."""
    async with asyncio.timeout(LONG):
        return [await anext(results) for _ in range(count)]


async def finish(queue: QueueDriver, ids: Sequence[str], outcome: Outcome | None = None, task: str = "t") -> None:
    """Claim and settle jobs; by default with their id as result."""
    await queue.join("s")
    await queue.enqueue(ids, task=task)
    got = await queue.exchange("s", len(ids))
    assert got.ids == tuple(ids)
    made = [settlement(i, got.claim, outcome or Done(b"\xa2" + i[-2:].encode(), 60_000, task)) for i in ids]
    await queue.exchange("s", others=[entry for entry in made if entry])


@pytest.fixture
async def fleet(redis_url: str) -> Fleet:
    return Fleet(redis_url)


async def test_every_end_of_a_job_is_a_result(lab: Lab) -> None:
    lab.use(answering.fleet)
    await lab.start("answering")
    await eventually(lambda: lab.link.request("EXISTS", "hr:{jobs}:keep"))
    async with answering.jobs.results() as results:
        added = await answering.add.enqueue(1, 2)
        (first,) = await take(results, 1)
        assert (first.job_id, first.task, first.ended, first.value.total) == (added.id, "add", Ended.DONE, 3)
        dead = await answering.fail.enqueue("why not")
        (second,) = await take(results, 1)
        assert (second.job_id, second.ended, second.reason) == (dead.id, Ended.DEAD, "why not")
        waiting = await answering.add.options(delay=600).enqueue(1, 2)
        await waiting.cancel()
        (third,) = await take(results, 1)
        assert (third.job_id, third.ended, third.value) == (waiting.id, Ended.CANCELLED, None)
    assert (results.dropped, results.gaps) == (0, 0)


async def test_by_task_and_own_jobs_only(fleet: Fleet, queue: QueueDriver) -> None:
    mine = f"{new_id.stem}-aa"
    async with fleet.queue("q").results(task="a") as of_a, fleet.queue("q").results(own=True) as own:
        await finish(queue, ["000000000000-01"], task="b")
        await finish(queue, ["000000000000-02"], task="a")
        await finish(queue, [mine], task="b")
        assert [result.job_id for result in await take(of_a, 1)] == ["000000000000-02"]
        assert [result.job_id for result in await take(own, 1)] == [mine]
    await fleet.close()


@pytest.mark.parametrize(
    ("on_full", "kept"), [(OnFull.DROP_OLDEST, range(15, 20)), (OnFull.DROP_NEWEST, range(5))], ids=str
)
async def test_a_full_buffer_drops_and_counts(
    fleet: Fleet, queue: QueueDriver, on_full: OnFull, kept: Sequence[int]
) -> None:
    ids = [f"000000000000-{i:02}" for i in range(20)]
    async with fleet.queue("q").results(buffer=5, on_full=on_full) as results:
        for start in (0, 10):
            await finish(queue, ids[start : start + 10])
        await eventually(lambda: results.dropped == 15)
        assert [result.value for result in await take(results, 5)] == [f"{i:02}" for i in kept]
    await fleet.close()


async def test_block_loses_nothing(fleet: Fleet, queue: QueueDriver) -> None:
    ids = [f"000000000000-{i:02}" for i in range(60)]
    async with fleet.queue("q").results(buffer=5, on_full="block") as results:
        for start in range(0, 60, 20):
            await finish(queue, ids[start : start + 20])
        assert sorted(result.job_id for result in await take(results, 60)) == ids
        assert (results.dropped, results.gaps) == (0, 0)
    await fleet.close()


async def test_what_has_expired_before_it_was_read_is_counted(fleet: Fleet, queue: QueueDriver) -> None:
    async with fleet.queue("q").results() as results:
        await finish(queue, ["a0"])
        await queue.link.request("DEL", queue.key("r:a0"))
        await finish(queue, ["a1"])
        assert [result.job_id for result in await take(results, 1)] == ["a1"]
        assert results.dropped == 1
    await fleet.close()


@pytest.mark.parametrize("how", ["redis is away", "given up"])
async def test_what_could_not_be_read_comes_again(
    fleet: Fleet, queue: QueueDriver, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    async def away(*_: object) -> list[Ending]:
        if how == "redis is away":
            raise QueueUnavailableError("away for a moment")
        await asyncio.Event().wait()
        return []

    async with fleet.queue("q").results() as results:
        await finish(queue, ["a0", "a1"])
        with monkeypatch.context() as patched:
            patched.setattr(RedisBroker, "endings", away)
            with pytest.raises((QueueUnavailableError, TimeoutError)):
                await asyncio.wait_for(anext(results), 1)
        assert {result.job_id for result in await take(results, 2)} == {"a0", "a1"}
        assert results.dropped == 0
    await fleet.close()


async def test_a_cut_connection_is_a_gap(fleet: Fleet, queue: QueueDriver) -> None:
    async with fleet.queue("q").results() as results:
        await queue.link.request("CLIENT", "KILL", "TYPE", "pubsub")
        await eventually(lambda: results.gaps == 1)

        async def heard() -> bool:
            return bool(await queue.link.request("PUBSUB", "NUMPAT"))

        await eventually(heard)
        await finish(queue, ["a1"])
        assert [result.job_id for result in await take(results, 1)] == ["a1"]
    await fleet.close()


@pytest.mark.parametrize(
    ("outcome", "told"),
    [
        (Done(b"\x01", 60_000, "t"), b"done"),
        (Buried("t", "E", DeathRecord("E", 1, 0), 1), b"dead"),
        (Cancelled(), b"cancelled"),
        (Done(), None),
    ],
    ids=["result", "bury", "cancel", "done"],
)
async def test_a_replayed_exchange_settles_and_tells_once(
    queue: QueueDriver, outcome: Outcome, told: bytes | None
) -> None:
    await queue.link.request("HSET", queue.key("keep"), "t", 60_000)
    async with Fleet(queue_url(queue)).queue("q").results() as results:
        await queue.join("s")
        await queue.enqueue(["a"])
        got = await queue.exchange("s", 1)
        entry = settlement("a", got.claim, outcome)
        call = {"others": [entry]} if entry else {"done": got.done}
        await queue.exchange("s", seq=70, **call)
        before = await queue.look()
        await queue.exchange("s", seq=70, **call)
        assert await queue.look() == before
        await finish(queue, ["z9"])
        expected = ([("a", told.decode())] if told else []) + [("z9", "done")]
        assert [(r.job_id, str(r.ended)) for r in await take(results, len(expected))] == expected
    await results._queue.fleet.close()


def queue_url(queue: QueueDriver) -> str:
    target = queue.link.target
    return f"redis://{target.host}:{target.port}/{target.db}"


@pytest.mark.parametrize(
    "job_id",
    [
        "0123456789ab-1f",
        "ABCDEF012345-A",
        "0123456789abc-1",
        "0123456789ab-",
        "order-7",
        "w*",
        "a?[b]",
        "é",
        "two\nlines",
    ],
)
async def test_whoever_waits_listens_where_redis_tells(
    fleet: Fleet, queue: QueueDriver, job_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "BACKSTOP", 1000.0)
    channel = waiting.channel_of("q", job_id)
    await queue.enqueue(["before", job_id])
    wait = asyncio.create_task(fleet.waiter.wait("q", job_id, LONG))
    await listened_to(queue.link, channel)
    await asyncio.sleep(0.05)  # the look that follows the subscription
    await queue.link.request("PUBLISH", channel, b"\xc1not a message of ours")
    await queue.join("s")
    got = await queue.exchange("s", 2)
    await queue.exchange("s", others=[settlement(job_id, got.claim, Done(b"\x07", 60_000, "t"))])
    assert await wait == Kept(b"\x07")
    await fleet.close()


@pytest.mark.parametrize(
    ("options", "said"), [({"buffer": 0}, "buffer must be 1"), ({"on_full": "spill"}, "on_full must be drop_oldest")]
)
async def test_bad_use_is_refused(fleet: Fleet, options: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        fleet.queue("q").results(**options)  # type: ignore[arg-type]
