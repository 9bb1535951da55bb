"""A worker's death is counted apart from a job's own failures; a suspect runs alone; a job that kills is buried."""

from __future__ import annotations

import pytest

from headrace.contract.envelope import decode, decode_dead_entry
from headrace.contract.protocol import CRASH_LIMIT, SUSPECT_AFTER
from headrace.wire.link import Link
from headrace.worker.outcome import Released, Retried, settlement
from support.queue_driver import LEASE_MS, QueueDriver


async def crash(queue: QueueDriver, times: int, *ids: str) -> None:
    """Each time a new session claims these jobs together and dies."""
    for turn in range(times):
        sid = f"dead-{turn}-{ids[0]}"
        await queue.join(sid)
        assert set((await queue.exchange(sid, len(ids))).ids) == set(ids)
        await queue.run("reap_session", sid)


async def make_suspects(queue: QueueDriver, *ids: str) -> None:
    await queue.enqueue(ids)
    await crash(queue, SUSPECT_AFTER, *ids)
    assert all([await queue.place(job_id) == "suspects" for job_id in ids])


async def test_crashes_are_not_attempts(queue: QueueDriver) -> None:
    await queue.enqueue(["a"])
    await crash(queue, 1, "a")
    await queue.join("s")
    got = await queue.exchange("s", 1)
    assert got.crashes == (1,)
    assert decode(got.values[0]).attempts == 0


async def test_the_crash_limit_buries(queue: QueueDriver) -> None:
    await queue.enqueue(["a"], task="mail")
    await crash(queue, CRASH_LIMIT - 1, "a")
    assert await queue.place("a") == "suspects"
    await crash(queue, 1, "a")
    snapshot = await queue.look()
    assert snapshot.places == {"a": {"dead"}}
    facet, fingerprint, record = decode_dead_entry(snapshot.hashes["dj"]["a"])
    assert (facet, fingerprint, record.crashes) == ("mail|WorkerCrashed", "", CRASH_LIMIT)
    assert snapshot.counter("crashed") == CRASH_LIMIT
    assert not snapshot.leftovers()


async def test_a_suspect_gets_a_session_to_itself(queue: QueueDriver) -> None:
    await make_suspects(queue, "bad")
    await queue.enqueue(["x", "y", "z"])
    await queue.join("s")
    await queue.join("other")
    assert (await queue.exchange("s", 10)).ids == ("bad",)
    assert (await queue.exchange("s", 10)).ids == ()
    assert (await queue.exchange("other", 10)).ids == ("x", "y", "z")


async def test_a_busy_session_finishes_its_own_before_the_suspect(queue: QueueDriver) -> None:
    await make_suspects(queue, "bad")
    await queue.join("apart")
    await queue.join("s")
    apart = await queue.exchange("apart", 1)
    await queue.enqueue(["x", "y"])
    own = await queue.exchange("s", 1)
    assert own.ids == ("x",)
    await queue.exchange("apart", others=[settlement("bad", apart.claim, Retried(1, 0, "boom"))], flags="q")
    assert (await queue.exchange("s", 10)).ids == (), "set apart: nothing more until its own is settled"
    assert (await queue.exchange("s", 10, done=own.done)).ids == ("bad",)


async def test_after_the_suspect_the_session_works_on(queue: QueueDriver) -> None:
    await make_suspects(queue, "bad")
    await queue.enqueue(["x"])
    await queue.join("s")
    suspect = await queue.exchange("s", 10)
    after = await queue.exchange("s", 10, done=suspect.done)
    assert after.ids == ("x",)
    assert "alone" not in (await queue.look()).hashes["meta"]


async def test_suspects_go_one_by_one(queue: QueueDriver) -> None:
    await make_suspects(queue, "bad1", "bad2")
    await queue.join("s")
    await queue.join("other")
    first = await queue.exchange("s", 10)
    assert len(first.ids) == 1
    assert (await queue.exchange("other", 10)).ids == ()
    second = await queue.exchange("s", 10, done=first.done)
    assert {*first.ids, *second.ids} == {"bad1", "bad2"}


async def test_a_dead_suspects_session_makes_room(queue: QueueDriver) -> None:
    await make_suspects(queue, "bad1", "bad2")
    await queue.join("s")
    await queue.exchange("s", 10)
    await queue.run("reap_session", "s")
    await queue.join("other")
    assert len((await queue.exchange("other", 10)).ids) == 1


async def test_a_session_set_apart_that_is_being_reaped_keeps_no_suspect_waiting(link: Link) -> None:
    queue = QueueDriver(link, constants={"CHUNK": 1})
    await queue.hold_clock()
    await queue.enqueue(["x", "y", "z"])
    await queue.join("apart")
    await queue.exchange("apart", 3)
    await make_suspects(queue, "bad")
    assert (await queue.exchange("apart", 1)).ids == ()
    await queue.join("live", lease_ms=4 * LEASE_MS)
    for _ in range(4):
        await queue.advance(LEASE_MS // 3)
        await queue.renew("live", lease_ms=4 * LEASE_MS)
    assert (await queue.exchange("live", 1)).ids == ("bad",)
    assert (await queue.look()).zsets["reaping"], "two jobs of the dead session are still to be moved"


@pytest.mark.parametrize("how", ["pause", "cordon"])
async def test_a_running_suspect_stays_alone_over_a_pause(queue: QueueDriver, how: str) -> None:
    await make_suspects(queue, "bad")
    await queue.enqueue(["x"])
    await queue.join("s")
    await queue.exchange("s", 10)
    await (queue.run("pause") if how == "pause" else queue.run("cordon", 60_000, "s"))
    await queue.exchange("s", 10)
    await (queue.run("resume") if how == "pause" else queue.run("cordon", 0, "s"))
    assert (await queue.exchange("s", 10)).ids == ()


@pytest.mark.parametrize("why", ["quiet", "cordoned", "left", "full"])
async def test_a_session_that_claims_no_more_hands_the_mark_on(queue: QueueDriver, why: str) -> None:
    await make_suspects(queue, "bad1", "bad2")
    await queue.join("s")
    await queue.join("other")
    got = await queue.exchange("s", 1)
    if why == "cordoned":
        await queue.run("cordon", 60_000, "s")
    if why == "left":
        await queue.leave("s")
    else:
        await queue.exchange("s", 1 if why == "cordoned" else 0, done=got.done, flags="q" if why == "quiet" else "")
    assert len((await queue.exchange("other", 1)).ids) == 1


async def test_release_and_retry_keep_a_suspect_a_suspect(queue: QueueDriver) -> None:
    await make_suspects(queue, "bad")
    await queue.join("s")
    for outcome in (Released(5), Retried(1, 0, "boom")):
        got = await queue.exchange("s", 1)
        await queue.exchange("s", others=[settlement("bad", got.claim, outcome)])
        assert await queue.place("bad") == "suspects"


async def test_a_buried_job_leaves_its_crashes_behind(queue: QueueDriver) -> None:
    await queue.enqueue(["a"])
    await crash(queue, 1, "a")
    await queue.join("s")
    got = await queue.exchange("s", 1)
    await queue.exchange("s", others=[("bury", "a", got.claim, "t", "E", "", "", "", 1)])
    snapshot = await queue.look()
    assert snapshot.places == {"a": {"dead"}}
    assert not snapshot.hashes["crash"]


async def test_replay_forgives(queue: QueueDriver) -> None:
    await queue.enqueue(["a"])
    await crash(queue, CRASH_LIMIT, "a")
    assert await queue.replay("a") == 1
    assert await queue.replay("a") == 0
    await queue.join("s")
    got = await queue.exchange("s", 1)
    assert (got.ids, got.crashes, decode(got.values[0]).replays) == (("a",), (), 1)
