"""What a job's trail tells of it: only what is out of the ordinary, the last five, and nothing once it has ended."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from headrace.admin.queue_admin import QueueAdmin
from headrace.contract.envelope import DeathRecord, encode_death, lua_string
from headrace.contract.protocol import PROTOCOL, TRIAL_MS
from headrace.contract.replies import encode_presence
from headrace.contract.trail import MOST_TRANSITIONS, Happened
from support.presences import presence
from support.queue_driver import LEASE_MS, Exchanged, QueueDriver, Special

Said = tuple[str, int, str, str]


async def trail(queue: QueueDriver) -> list[Said]:
    seen = (await QueueAdmin(queue.link, queue.queue).jobs.locate("a")).transitions
    return [(one.what, one.times, one.worker, one.error) for one in seen]


async def join_as(queue: QueueDriver, sid: str, worker: str) -> None:
    await queue.run("join", sid, LEASE_MS, encode_presence(presence(worker, slots=10)), PROTOCOL, b"")


async def claim(queue: QueueDriver, sid: str = "s") -> Exchanged:
    got = await queue.exchange(sid, 1)
    assert got.ids == ("a",)
    return got


async def fail(queue: QueueDriver, attempts: int, *, sid: str = "s", error: str = "OSError") -> None:
    got = await claim(queue, sid)
    await queue.exchange(sid, others=[("retry", "a", got.claim, attempts, 0, error)])


async def bury(queue: QueueDriver, attempts: int = 1, *, sid: str = "s", reason: str = "E") -> None:
    got = await claim(queue, sid)
    record = lua_string(encode_death(DeathRecord(f"{reason}: boom", attempts, 0, "pod-1")))
    await queue.exchange(sid, others=[("bury", "a", got.claim, "t", reason, record, "print", "trace", attempts)])


async def replay(queue: QueueDriver, request: str = "r") -> None:
    assert await queue.replay("a", request=request) == 1


@pytest.fixture
async def busy(queue: QueueDriver) -> QueueDriver:
    """One worker, one job."""
    await join_as(queue, "s", "pod-1")
    await queue.enqueue(["a"])
    return queue


async def test_failed_twice_lost_its_worker_died_and_was_replayed(busy: QueueDriver, admin: QueueAdmin) -> None:
    began = busy.now_ms
    await fail(busy, 1)
    await busy.advance(1000)
    await fail(busy, 2, error="TimeoutError")
    await join_as(busy, "gone", "pod-2")
    await claim(busy, "gone")
    await busy.run("reap_session", "gone")
    await bury(busy, 3)
    assert (await admin.jobs.locate("a")).transitions[-1].what is Happened.DEAD
    await busy.advance(1000)
    await replay(busy)
    assert await trail(busy) == [
        ("failed", 1, "pod-1", "OSError"),
        ("failed", 2, "pod-1", "TimeoutError"),
        ("lost", 1, "pod-2", ""),
        ("dead", 3, "pod-1", "E"),
        ("replayed", 1, "", ""),
    ]
    seen = (await admin.jobs.locate("a")).transitions
    assert [one.at_ms - began for one in seen] == [0, 1000, 1000, 1000, 2000]


async def test_a_lease_that_ends_names_the_worker_that_had_it(busy: QueueDriver) -> None:
    await claim(busy)
    for _ in range(2):
        await busy.advance(LEASE_MS // 3)
        await join_as(busy, "other", "pod-2")
        await busy.exchange("other")
    await busy.advance(LEASE_MS // 3 + 1)
    await busy.exchange("other")
    assert await trail(busy) == [("lost", 1, "pod-1", "")]


async def test_one_fenced_by_an_earlier_release_is_nameless(busy: QueueDriver) -> None:
    await claim(busy)
    await busy.link.request("ZREM", busy.key("sess"), "s")
    await busy.link.request("HDEL", busy.key("workers"), "s")
    await busy.link.request("ZADD", busy.key("reaping"), busy.now_ms, "s")
    await busy.run("reap_session", "s")
    assert await trail(busy) == [("lost", 1, "", "")]


async def on_trial(queue: QueueDriver) -> None:
    await queue.run("trial", TRIAL_MS, "new")
    got = await queue.exchange("s", 1, version="new")
    await queue.exchange("s", others=[("retry", "a", got.claim, 1, 0, "OSError")], version="new")


async def later(queue: QueueDriver) -> None:
    got = await claim(queue)
    await queue.exchange("s", others=[("retry", "a", got.claim, 0, 50, "RetryLater")])


async def give_back(queue: QueueDriver) -> None:
    got = await claim(queue)
    await queue.exchange("s", others=[("release", "a", got.claim, "1", 0)])


async def leave(queue: QueueDriver) -> None:
    await claim(queue)
    await queue.leave("s")


async def cancel_twice(queue: QueueDriver) -> None:
    await claim(queue)
    for _ in range(2):
        assert await queue.cancel("a") == "cancelling"


async def an_older_worker_fails(queue: QueueDriver) -> None:
    got = await claim(queue)
    await queue.exchange("s", others=[("retry", "a", got.claim, 1, 0)])


async def crash_to_death(queue: QueueDriver) -> None:
    for turn in range(5):
        await join_as(queue, f"s{turn}", f"pod-{turn}")
        await claim(queue, f"s{turn}")
        await queue.run("reap_session", f"s{turn}")


HAPPENED: dict[str, tuple[Callable[[QueueDriver], Awaitable[None]], list[Said]]] = {
    "on trial": (on_trial, [("returned", 0, "pod-1", "OSError")]),
    "later": (later, [("later", 0, "pod-1", "RetryLater")]),
    "given back": (give_back, [("released", 0, "pod-1", "")]),
    "left": (leave, [("left", 0, "pod-1", "")]),
    "cancelled twice": (cancel_twice, [("cancelling", 0, "", "")]),
    "an older worker": (an_older_worker_fails, [("failed", 1, "pod-1", "")]),
    "words instead of a class": (lambda q: bury(q, reason="no such customer"), [("dead", 1, "pod-1", "")]),
    "crashes": (
        crash_to_death,
        [*(("lost", n, f"pod-{n - 1}", "") for n in range(1, 5)), ("dead", 0, "pod-4", "WorkerCrashed")],
    ),
}


@pytest.mark.parametrize("name", HAPPENED)
async def test_what_is_out_of_the_ordinary_is_kept(busy: QueueDriver, name: str) -> None:
    act, expected = HAPPENED[name]
    await act(busy)
    assert await trail(busy) == expected
    assert not (await busy.look()).leftovers()


async def test_a_plain_life_leaves_no_trail(busy: QueueDriver) -> None:
    got = await claim(busy)
    await busy.enqueue(["b", "c"], [Special("d", delay_ms=10)])
    await busy.cancel("c")
    got = await busy.exchange("s", 5, done=got.done)
    assert got.ids == ("b",)
    await busy.exchange("s", others=[("result", "b", got.claim, "42", 60_000, "t", 0)])
    await busy.exchange("s", others=[], n=0)
    assert await busy.link.request("EXISTS", busy.key("trail")) == 0


async def test_the_last_five_are_kept_and_each_is_small(busy: QueueDriver) -> None:
    await join_as(busy, "s", "é" + "x" * 300)
    for attempt in range(1, 9):
        await fail(busy, attempt * 30, error="E" * 200)
    said = await trail(busy)
    assert [times for _, times, _, _ in said] == [120, 150, 180, 210, 240]
    assert {(worker, error) for *_, worker, error in said} == {("x" * 36, "E" * 36)}
    packed = (await busy.look()).hashes["trail"]["a"]
    assert len(packed) < 100 * MOST_TRANSITIONS


async def test_a_name_is_not_cut_through_a_character(busy: QueueDriver) -> None:
    await join_as(busy, "s", "é" * 40 + "x")
    await fail(busy, 1)
    ((_, _, worker, _),) = await trail(busy)
    assert worker == "é" * 17 + "x"


async def test_a_trail_that_can_t_be_read_hinders_nobody(busy: QueueDriver, admin: QueueAdmin) -> None:
    for attempts, broken in enumerate((b"", b"\xc1", b"\x05"), 1):
        await busy.link.request("HSET", busy.key("trail"), "a", broken)
        assert (await admin.jobs.locate("a")).transitions == ()
        await fail(busy, attempts)
        assert await trail(busy) == [("failed", attempts, "pod-1", "OSError")]


async def finish(queue: QueueDriver) -> None:
    got = await claim(queue)
    await queue.exchange("s", done=got.done)


async def finish_with_a_result(queue: QueueDriver) -> None:
    got = await claim(queue)
    await queue.exchange("s", others=[("result", "a", got.claim, "42", 60_000, "t", 0)])


async def cancel_and_stop(queue: QueueDriver) -> None:
    got = await claim(queue)
    await queue.cancel("a")
    await queue.exchange("s", others=[("cancel", "a", got.claim)])


async def cancel_and_die(queue: QueueDriver) -> None:
    await claim(queue)
    await queue.cancel("a")
    await queue.run("reap_session", "s")


async def die_and_be_deleted(queue: QueueDriver) -> None:
    await bury(queue)
    assert await queue.run("delete_dead", "a") == 1


ENDS: dict[str, Callable[[QueueDriver], Awaitable[object]]] = {
    "done": finish,
    "result": finish_with_a_result,
    "cancelled as it waits": lambda q: q.cancel("a"),
    "cancelled as it runs": cancel_and_stop,
    "cancelled, and its worker died": cancel_and_die,
    "purged": lambda q: q.run("purge", 10),
    "deleted": die_and_be_deleted,
}


@pytest.mark.parametrize("name", ENDS)
async def test_with_the_job_goes_its_trail(busy: QueueDriver, name: str) -> None:
    await fail(busy, 1)
    assert await trail(busy)
    await ENDS[name](busy)
    seen = await busy.look()
    assert (seen.places, seen.hashes["trail"]) == ({}, {})


async def test_a_letter_that_is_replayed_goes_on_with_its_trail(busy: QueueDriver) -> None:
    for request in ("once", "again"):
        await bury(busy)
        await replay(busy, request)
    assert [(what, times) for what, times, *_ in await trail(busy)] == [
        *(("dead", 1), ("replayed", 1)),
        *(("dead", 1), ("replayed", 2)),
    ]


async def test_an_exchange_said_again_notes_nothing_twice(busy: QueueDriver) -> None:
    got = await claim(busy)
    for _ in range(2):
        await busy.exchange("s", seq=70, others=[("retry", "a", got.claim, 1, 0, "OSError")])
    assert await trail(busy) == [("failed", 1, "pod-1", "OSError")]
