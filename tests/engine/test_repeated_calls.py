"""The same call again, after a lost reply: it must change nothing and answer as before; an overtaken one is refused."""

from __future__ import annotations

import pytest

from headrace.wire.errors import ServerError
from headrace.worker.outcome import Released, Retried, settlement
from support.queue_driver import QueueDriver, Special


async def test_exchange_again_answers_the_same_and_settles_nothing(queue: QueueDriver) -> None:
    await queue.join("s")
    await queue.enqueue([f"j{i}" for i in range(6)])
    first = await queue.exchange("s", 2)
    retry = settlement("j1", first.claim, Retried(1, 60_000, "boom"))
    call = {"n": 3, "seq": 900, "done": {first.claim: ["j0", "unknown"]}, "others": [retry], "service_us": 5}
    answer = await queue.exchange("s", **call)  # type: ignore[arg-type]
    before = await queue.look()
    again = await queue.exchange("s", **call)  # type: ignore[arg-type]
    assert (again.status, again.stale) == ("OK", ("unknown",))
    assert dict(zip(again.ids, again.values, strict=True)) == dict(zip(answer.ids, answer.values, strict=True))
    after = await queue.look()
    assert after == before


async def test_exchange_again_says_when_the_next_job_is_due(queue: QueueDriver) -> None:
    await queue.join("s")
    await queue.enqueue(specials=[Special("later", delay_ms=9_000)])
    first = await queue.exchange("s", 1, seq=50)
    assert first.next_due_ms == queue.now_ms + 9_000
    assert await queue.exchange("s", 1, seq=50) == first


async def test_exchange_again_reports_only_what_is_still_held(queue: QueueDriver) -> None:
    await queue.join("s")
    await queue.enqueue(["a", "b"])
    got = await queue.exchange("s", 2, lane="0", seq=50)
    await queue.exchange("s", lane="1", done={got.claim: ["a"]})
    assert (await queue.exchange("s", 2, lane="0", seq=50)).ids == ("b",)


async def test_lanes_remember_apart(queue: QueueDriver) -> None:
    await queue.join("s")
    await queue.enqueue(["a", "b"])
    zero = await queue.exchange("s", 1, lane="0", seq=50)
    one = await queue.exchange("s", 1, lane="1", seq=50)
    assert (zero.ids, one.ids) == (("a",), ("b",))
    assert (await queue.exchange("s", 1, lane="0", seq=50)).ids == ("a",)
    assert (await queue.exchange("s", 1, lane="1", seq=50)).ids == ("b",)


async def test_an_overtaken_exchange_is_refused_whole(queue: QueueDriver) -> None:
    await queue.join("s")
    await queue.enqueue(["a", "b", "c"])
    await queue.exchange("s", 1, seq=50)
    await queue.exchange("s", 1, seq=51)
    before = await queue.look()
    with pytest.raises(ServerError, match="OVERTAKEN"):
        await queue.exchange("s", 1, seq=50)
    assert await queue.look() == before


async def test_enqueue_again_answers_the_same_and_adds_nothing(queue: QueueDriver) -> None:
    await queue.enqueue(specials=[Special("taken", given=True)])
    specials = [Special("taken", given=True), Special("new", given=True), Special("late", delay_ms=5)]
    assert await queue.enqueue(["plain"], specials, seq=90) == ("taken",)
    before = await queue.look()
    assert await queue.enqueue(["plain"], specials, seq=90) == ("taken",)
    assert await queue.look() == before
    assert before.counter("enqueued") == 4


async def test_enqueue_again_does_not_revive_what_is_done(queue: QueueDriver) -> None:
    await queue.join("s")
    await queue.enqueue(["a"], seq=90)
    got = await queue.exchange("s", 1)
    await queue.exchange("s", done=got.done)
    await queue.enqueue(["a"], seq=90)
    await queue.enqueue(["b"], seq=91)
    with pytest.raises(ServerError, match="OVERTAKEN"):
        await queue.enqueue(["a"], seq=90)
    assert await queue.states() == {"b": {"ready:default"}}


async def test_producers_remember_apart(queue: QueueDriver) -> None:
    await queue.enqueue(["a"], producer="p1", seq=1)
    await queue.enqueue(["b"], producer="p2", seq=1)
    assert set(await queue.states()) == {"a", "b"}


async def test_join_again_is_one_session(queue: QueueDriver) -> None:
    await queue.join("s")
    assert await queue.join("s") == [b"OK", queue.now_ms]
    assert len((await queue.stats()).workers) == 1


async def test_release_again_charges_nothing_twice(queue: QueueDriver) -> None:
    await queue.join("s")
    await queue.enqueue(["a"])
    got = await queue.exchange("s", 1)
    release = settlement("a", got.claim, Released(got.ready_us[0]))
    await queue.exchange("s", seq=70, others=[release])
    await queue.exchange("s", seq=70, others=[release])
    snapshot = await queue.look()
    assert (snapshot.counter("released"), snapshot.counter("stale")) == (1, 0)
    assert snapshot.places == {"a": {"ready:default"}}
