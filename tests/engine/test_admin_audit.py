"""The audit: silent on a sound queue, names each kind of damage done past the scripts, and mends it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import pytest

from headrace.admin.findings import (
    Doubled,
    FacetMismatch,
    Finding,
    Ghost,
    Misfiled,
    Orphan,
    StrayLeases,
    TracebackMismatch,
)
from headrace.admin.queue_admin import QueueAdmin
from headrace.client.limits import Rule
from headrace.contract.protocol import State
from headrace.wire.link import Link
from support.limited import limited
from support.queue_driver import QueueDriver
from support.seeding import Seeder

pytestmark = pytest.mark.everywhere


@pytest.fixture
async def seeder(link: Link) -> Seeder:
    """A queue with jobs in all states, each sound."""
    seeder = Seeder(link)
    await seeder.join()
    await seeder.bury("dead1", "dead2", traceback="one")
    await seeder.bury("dead3", task="other", traceback="two")
    await seeder.enqueue("leased1", "leased2")
    await seeder.exchange(2)
    await seeder.enqueue("ready1", "ready2")
    await seeder.enqueue("high1", priority="high")
    await seeder.enqueue("sched1", delay_ms=600_000)
    return seeder


SOUND = {State.DEAD: 3, State.LEASED: 2, State.READY: 3, State.SCHEDULED: 1}


async def test_a_sound_queue_is_clean_and_counted(seeder: Seeder, admin: QueueAdmin) -> None:
    report = await admin.audit.run()
    assert report.clean
    assert report.tracebacks_checked
    assert report.states == SOUND
    assert report.mended == 0


Damage = Callable[[Seeder], Awaitable[object]]

DAMAGES: dict[str, tuple[Damage, list[Finding], dict[State, int]]] = {
    "orphan": (lambda s: s.raw("ZREM", "ready:default", "ready1"), [Orphan("ready1")], SOUND),
    "orphan of a lease": (
        lambda s: s.raw("HDEL", "own:s1", "leased1"),
        [Orphan("leased1")],
        SOUND | {State.LEASED: 1, State.READY: 4},
    ),
    "ghost in sched": (lambda s: s.raw("ZADD", "sched", 5, "x"), [Ghost("x", "sched")], SOUND),
    "ghost in ready": (lambda s: s.raw("ZADD", "ready:low", 5, "x"), [Ghost("x", "ready:low")], SOUND),
    "ghost in a session": (lambda s: s.raw("HSET", "own:s1", "x", "0.1"), [Ghost("x", "own:s1")], SOUND),
    "ghost in parked": (lambda s: s.raw("SADD", "parked", "x"), [Ghost("x", "parked")], SOUND),
    "ghost in prio": (lambda s: s.raw("HSET", "prio", "x", "low"), [Ghost("x", "prio")], SOUND),
    "ghost in cancel": (lambda s: s.raw("SADD", "cancel", "x"), [Ghost("x", "cancel")], SOUND),
    "ghost in dj": (lambda s: s.raw("HSET", "dj", "x", b"t|E\0\0r"), [Ghost("x", "dj")], SOUND),
    "leased and ready": (
        lambda s: s.raw("ZADD", "ready:default", 5, "leased1"),
        [Doubled("leased1", ("leased", "ready"))],
        SOUND,
    ),
    "ready and scheduled": (
        lambda s: s.raw("ZADD", "sched", 5, "ready1"),
        [Doubled("ready1", ("ready", "scheduled"))],
        SOUND,
    ),
    "dead and leased": (
        lambda s: s.raw("HSET", "own:s1", "dead1", "0.9"),
        [Doubled("dead1", ("dead", "leased"))],
        SOUND,
    ),
    "ready in two priorities": (
        lambda s: s.raw("ZADD", "ready:low", 5, "high1"),
        [Doubled("high1", ("ready", "ready"))],
        SOUND,
    ),
    "dead without its entry": (
        lambda s: s.raw("HDEL", "dj", "dead3"),
        [Misfiled("dead3", "dead"), TracebackMismatch("fp-two", 1, 0)],
        SOUND,
    ),
    "an entry without death": (
        lambda s: s.raw("HSET", "dj", "ready1", b"t|E\0\0r"),
        [Misfiled("ready1", "dj")],
        SOUND,
    ),
    "not in its facet": (
        lambda s: s.raw("ZREM", "dead:t|ValueError", "dead1"),
        [Misfiled("dead1", "dead"), FacetMismatch("t|ValueError", 2, 1)],
        SOUND,
    ),
    "a facet's stray member": (
        lambda s: s.raw("ZADD", "dead:t|ValueError", 5, "ready1"),
        [Misfiled("ready1", "dead:t|ValueError"), FacetMismatch("t|ValueError", 2, 3)],
        SOUND,
    ),
    "a facet forgotten": (
        lambda s: s.raw("HDEL", "facets", "other|ValueError"),
        [Misfiled("dead3", "dead")],
        SOUND,
    ),
    "a facet's count": (
        lambda s: s.raw("HINCRBY", "facets", "t|ValueError", 5),
        [FacetMismatch("t|ValueError", 7, 2)],
        SOUND,
    ),
    "a traceback's count": (
        lambda s: s.raw("HINCRBY", "tbn", "fp-one", 1),
        [TracebackMismatch("fp-one", 3, 2)],
        SOUND,
    ),
    "a session that is gone": (
        lambda s: s.raw("ZREM", "sess", "s1"),
        [StrayLeases("s1", 2), Orphan("leased1"), Orphan("leased2")],
        {State.DEAD: 3, State.READY: 5, State.SCHEDULED: 1},
    ),
}


async def mended(admin: QueueAdmin, expected: list[Finding]) -> Mapping[State, int]:
    """The audit finds what is expected, and after its repair nothing more. The states then."""
    seen = await admin.audit.run()
    assert sorted(map(repr, seen.findings)) == sorted(map(repr, expected))
    assert seen.mended == 0
    assert (await admin.audit.run(repair=True)).mended > 0
    after = await admin.audit.run()
    assert after.findings == ()
    return after.states


@pytest.mark.parametrize("name", DAMAGES)
async def test_damage_is_named_and_mended(seeder: Seeder, admin: QueueAdmin, name: str) -> None:
    damage, expected, states = DAMAGES[name]
    await damage(seeder)
    assert await mended(admin, expected) == states


LET_OUT = {State.PARKED: 1, State.READY: 1}
"""Of the two that were parked."""

LIMIT_DAMAGES: dict[str, tuple[Damage, list[Finding], dict[State, int]]] = {
    "a mark without job": (
        lambda s: s.raw("HSET", "marks", "x", b"\x94\xa1k\xa1t\xa0\xa0"),
        [Ghost("x", "marks")],
        LET_OUT,
    ),
    "parked outside its line": (lambda s: s.raw("ZREM", "kw:k", "k2"), [Misfiled("k2", "parked")], LET_OUT),
    "parked without a mark": (
        lambda s: s.raw("HDEL", "marks", "k2"),
        [Misfiled("k2", "parked"), Misfiled("k2", "kw:k")],
        LET_OUT,
    ),
    "leased outside its key's set": (lambda s: s.raw("SREM", "kc:k", "k1"), [Misfiled("k1", "own:s1")], {}),
    "a slot that nobody holds": (lambda s: s.raw("SADD", "kc:k", "x"), [Ghost("x", "kc:k")], LET_OUT),
    "a slot held by who is parked": (lambda s: s.raw("SADD", "kc:k", "k2"), [Misfiled("k2", "kc:k")], LET_OUT),
    "a ghost in line": (lambda s: s.raw("ZADD", "kw:k", 5, "x"), [Ghost("x", "kw:k")], {}),
    "leased and in line": (lambda s: s.raw("ZADD", "kw:k", 5, "k1"), [Misfiled("k1", "kw:k")], {}),
}


@pytest.mark.parametrize("name", LIMIT_DAMAGES)
async def test_damage_to_limits_is_named_and_mended(link: Link, admin: QueueAdmin, name: str) -> None:
    damage, expected, states = LIMIT_DAMAGES[name]
    queue, seeder = QueueDriver(link), Seeder(link)
    await queue.join("s1", rules={"t": Rule(concurrency=1)})
    await queue.enqueue(specials=[limited(f"k{i}", "k") for i in (1, 2, 3)])
    assert (await queue.exchange("s1", 3)).ids == ("k1",)
    assert (await admin.audit.run()).findings == ()
    await damage(seeder)
    assert await mended(admin, expected) == {State.LEASED: 1, State.PARKED: 2} | states


async def test_mended_orphans_are_not_charged_and_wake_workers(seeder: Seeder, admin: QueueAdmin) -> None:
    await seeder.exchange(3)
    await seeder.exchange(1)  # finds nothing: the session is idle
    await seeder.raw("HDEL", "own:s1", "ready1")
    await admin.audit.run(repair=True)
    view = await admin.jobs.locate("ready1")
    assert (view.attempts, view.crashes) == (0, 0)
    assert await seeder.raw("LLEN", "wake") == 1
    assert await seeder.exchange(1) == ["ready1"]


async def test_a_queue_at_work_shows_nothing(seeder: Seeder, admin: QueueAdmin) -> None:
    """Jobs that move from state to state during the scans are never taken for damage."""
    stop = asyncio.Event()
    worker = Seeder(seeder.link, sid="s2")
    await worker.join()
    await admin.control.cordon(["s1"], 600_000)

    async def work() -> None:
        i = 0
        while not stop.is_set():
            i += 1
            await worker.enqueue(*(f"w{i}-{n}" for n in range(20)), delay_ms=i % 2)
            for job_id in await worker.exchange(20):
                await worker.run("cancel", job_id)
            await worker.exchange(0)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(work())
        reports = [await admin.audit.run(repair=True) for _ in range(10)]
        stop.set()
    assert [report.findings for report in reports] == [()] * 10
    assert [report.mended for report in reports] == [0] * 10


async def test_letters_that_never_stand_still_leave_tracebacks_unchecked(
    seeder: Seeder, admin: QueueAdmin, monkeypatch: pytest.MonkeyPatch
) -> None:
    stamps = iter(range(100))

    async def moving(_: object) -> object:
        return next(stamps)

    monkeypatch.setattr("headrace.admin.traceback_audit._stamp", moving)
    report = await admin.audit.run()
    assert report.clean
    assert not report.tracebacks_checked


async def test_findings_are_bounded_and_counts_are_not(seeder: Seeder, admin: QueueAdmin) -> None:
    await seeder.enqueue(*(f"o{i}" for i in range(1500)))
    for i in range(1500):
        await seeder.raw("ZREM", "ready:default", f"o{i}")
    report = await admin.audit.run(repair=True)
    assert report.counts == {"Orphan": 1500}
    assert len(report.findings) == 1000
    assert report.mended == 1500
    assert (await admin.audit.run()).states[State.READY] == SOUND[State.READY] + 1500
