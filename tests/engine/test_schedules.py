"""K2: a schedule's record and its ticks in Redis, with the clock held: one job per tick however many ask, by its
concurrency policy, within the queue's limit; on both layouts.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from headrace.admin.findings import StraySchedule
from headrace.admin.queue_admin import QueueAdmin
from headrace.admin.schedules import (
    MOST_KEPT,
    Concurrency,
    Fate,
    Run,
    ScheduleRecord,
    job_value,
)
from headrace.client.limits import Rule
from headrace.contract.envelope import decode
from headrace.contract.protocol import Priority
from headrace.errors import ConfigError, PayloadError, ProtocolError, QueueFullError, UsageError
from headrace.wire.link import Link
from support.limited import check_keys, limited
from support.queue_driver import QueueDriver
from support.tick_rig import HOUR, NAME, UID, TickRig

ALLOW, FORBID, REPLACE = Concurrency.ALLOW, Concurrency.FORBID, Concurrency.REPLACE


@pytest.fixture(params=["", "streams"], ids=["sorted-sets", "streams"])
async def rig(link: Link, request: pytest.FixtureRequest) -> TickRig:
    driver = QueueDriver(link, variant=request.param)
    await driver.hold_clock()
    return TickRig(driver)


async def test_of_an_unknown_schedule_there_is_nothing(rig: TickRig) -> None:
    record = await rig.schedules.look(UID)
    assert record == ScheduleRecord(UID, rig.start)
    assert not record.known
    assert (await rig.fire(rig.start)).fate is Fate.STALE
    assert (await rig.now("r1")).fate is Fate.STALE
    assert not await rig.schedules.forget(UID)


async def test_a_new_schedule_s_ticks_count_from_its_creation_or_from_now_if_that_is_to_come(rig: TickRig) -> None:
    assert (await rig.settle()).after_ms == rig.start - 10
    later = await rig.schedules.settle_terms(
        "other", name=NAME, timing="daily", suspended=False, created_ms=rig.start + HOUR
    )
    assert later.after_ms == rig.start


async def test_terms_that_stand_are_not_written_again(rig: TickRig) -> None:
    first = await rig.settle(generation=3)
    before = await rig.driver.look()
    await rig.driver.advance(HOUR)
    assert await rig.settle(generation=3, created_ms=5) == replace(first, now_ms=rig.start + HOUR)
    assert (await rig.driver.look()).hashes["meta"] == before.hashes["meta"]


async def test_another_timing_and_a_resume_begin_from_now(rig: TickRig) -> None:
    await rig.settle()
    await rig.driver.advance(HOUR)
    assert (await rig.settle(timing="hourly")).since_ms == rig.start + HOUR
    await rig.driver.advance(HOUR)
    assert (await rig.settle(timing="hourly", suspended=True)).since_ms == rig.start + HOUR
    await rig.driver.advance(HOUR)
    assert (await rig.settle(timing="hourly")).since_ms == rig.start + 3 * HOUR


async def test_who_is_behind_changes_no_terms_and_fires_nothing(rig: TickRig) -> None:
    old = await rig.settle(generation=1)
    new = await rig.settle(generation=2, timing="hourly")
    assert await rig.settle(generation=1) == new
    assert (await rig.fire(rig.start, seen=old)).fate is Fate.STALE


async def test_a_tick_becomes_one_job_that_workers_see_as_any_other(rig: TickRig) -> None:
    seen = await rig.settle()
    await rig.driver.join("w")
    fired = await asyncio.gather(*(rig.fire(rig.start, seen=seen, missed=3) for _ in range(5)))
    assert sorted(one.fate for one in fired) == [Fate.ALREADY] * 4 + [Fate.ENQUEUED]
    assert {one.job_id for one in fired} == {rig.id(rig.start)}
    record = await rig.schedules.look(UID)
    assert (record.enqueued, record.skipped, record.missed) == (1, 0, 3)
    assert record.after_ms == record.last_tick_ms == rig.start
    assert record.recent == (Run(rig.start, rig.id(rig.start), Fate.ENQUEUED),)
    assert record.active == (rig.id(rig.start),)
    got = await rig.driver.exchange("w", 10)
    assert got.ids == record.active
    await rig.driver.exchange("w", done=got.done)
    assert (await rig.schedules.look(UID)).active == ()
    assert not (await rig.driver.look()).leftovers()


async def test_an_earlier_tick_comes_to_nothing_after_a_later_one(rig: TickRig) -> None:
    await rig.settle()
    await rig.fire(rig.start + 5)
    before = await rig.driver.look()
    for tick in (rig.start + 5, rig.start + 4):
        assert (await rig.fire(tick)).fate is Fate.ALREADY
    assert await rig.driver.look() == before


async def test_a_decision_on_an_old_record_is_refused(rig: TickRig) -> None:
    """An operator that was frozen between its look and its call: the other one has fired a tick meanwhile."""
    seen = await rig.settle()
    await rig.fire(rig.start)
    before = await rig.driver.look()
    assert (await rig.fire(rig.start + HOUR, seen=seen, missed=1)).fate is Fate.STALE
    assert (await rig.schedules.pass_over(UID, rig.start + HOUR, seen=seen, missed=1)).fate is Fate.STALE
    assert await rig.driver.look() == before


async def test_a_suspended_schedule_fires_no_tick_but_runs_when_asked(rig: TickRig) -> None:
    seen = await rig.settle(suspended=True)
    assert (await rig.fire(rig.start, seen=seen)).fate is Fate.STALE
    assert (await rig.schedules.pass_over(UID, rig.start, seen=seen, missed=1)).fate is Fate.STALE
    assert (await rig.now("r1")).fate is Fate.ENQUEUED


async def test_missed_ticks_are_counted_once(rig: TickRig) -> None:
    seen = await rig.settle()
    first = await rig.schedules.pass_over(UID, rig.start, seen=seen, missed=7)
    again = await rig.schedules.pass_over(UID, rig.start, seen=seen, missed=7)
    assert (first.fate, again.fate, again.record.missed, again.record.recent) == (Fate.SKIPPED, Fate.ALREADY, 7, ())


@pytest.mark.parametrize("state", ["ready", "leased", "scheduled", "dead", "done"])
async def test_forbid_skips_a_tick_while_a_job_before_it_is_not_over(rig: TickRig, state: str) -> None:
    await rig.settle()
    await rig.driver.join("w")
    await rig.fire(rig.start, FORBID)
    await bring_to(rig.driver, state)
    over = state in ("dead", "done")
    second = await rig.fire(rig.start + 1, FORBID, keep=1)
    assert second.fate is (Fate.ENQUEUED if over else Fate.SKIPPED)
    assert second.job_id == (rig.id(rig.start + 1) if over else "")
    assert second.record.last_tick_ms == rig.start + 1
    assert (second.record.enqueued, second.record.skipped) == ((2, 0) if over else (1, 1))
    for tick in range(
        rig.start + 2, rig.start + 5
    ):  # however many were skipped, the one that runs is not lost of sight
        assert (await rig.fire(tick, FORBID, keep=1)).fate is Fate.SKIPPED
    assert not (await rig.driver.look()).misplaced()


async def bring_to(driver: QueueDriver, state: str) -> None:
    """The one job that is ready."""
    if state == "ready":
        return
    got = await driver.exchange("w", 1)
    (job_id,) = got.ids
    match state:
        case "scheduled":
            await driver.exchange("w", others=[["retry", job_id, got.claim, 1, 60_000, "E"]])
            assert await driver.place(job_id) == "scheduled"
        case "dead":
            await driver.exchange("w", others=[["bury", job_id, got.claim, "t", "ValueError", "r", "", "", 1]])
            assert await driver.place(job_id) == "dead"
        case "done":
            await driver.exchange("w", done=got.done)
        case _:
            assert state == "leased"


async def test_replace_calls_off_what_waits_and_what_runs(rig: TickRig) -> None:
    await rig.settle()
    await rig.driver.join("w")
    await rig.fire(rig.start)
    got = await rig.driver.exchange("w", 1)
    await rig.fire(rig.start + 1)
    third = await rig.fire(rig.start + 2, REPLACE)
    assert (third.fate, third.replaced) == (Fate.REPLACED, (rig.id(rig.start), rig.id(rig.start + 1)))
    assert third.record.active == (rig.id(rig.start), rig.id(rig.start + 2))
    answer = await rig.driver.exchange("w")
    assert answer.cancelled == got.ids
    assert await rig.driver.place(rig.id(rig.start + 1)) == "gone"
    assert (await rig.driver.stats()).cancelled == 1
    await rig.driver.exchange("w", others=[["cancel", got.ids[0], got.claim]])
    assert (await rig.schedules.look(UID)).active == (rig.id(rig.start + 2),)
    assert not (await rig.driver.look()).leftovers()


async def test_a_full_queue_refuses_a_tick_which_is_then_still_owed(rig: TickRig) -> None:
    await rig.settle()
    await rig.driver.link.request("HSET", rig.driver.key("meta"), "limit", 1)
    await rig.fire(rig.start)
    before = await rig.driver.look(), await rig.schedules.look(UID)
    with pytest.raises(QueueFullError) as caught:
        await rig.fire(rig.start + 1, missed=2)
    assert (caught.value.limit, caught.value.room) == (1, 0)
    with pytest.raises(QueueFullError):
        await rig.now("r1")
    assert (await rig.driver.look(), await rig.schedules.look(UID)) == before
    replaced = await rig.fire(rig.start + 1, REPLACE)  # makes its room itself
    assert (replaced.fate, replaced.replaced) == (Fate.REPLACED, (rig.id(rig.start),))
    assert (await rig.now("r1", FORBID)).fate is Fate.SKIPPED  # needs none


async def test_a_full_redis_refuses_a_tick_whole(rig: TickRig) -> None:
    seen = await rig.settle()
    await rig.fire(rig.start, seen=seen)
    await rig.driver.join("w")
    link = rig.driver.link
    before = await rig.driver.look(), await rig.schedules.look(UID)
    await link.request("CONFIG", "SET", "maxmemory", "1mb")
    try:
        for concurrency in Concurrency:
            with pytest.raises(QueueFullError):
                await rig.fire(rig.start + 1, concurrency)
            with pytest.raises(QueueFullError):
                await rig.now("r1", concurrency)
        with pytest.raises(QueueFullError):
            await rig.schedules.pass_over(UID, rig.start + 1, seen=before[1], missed=1)
        with pytest.raises(QueueFullError):
            await rig.settle(timing="other")
        assert (await rig.driver.look(), await rig.schedules.look(UID)) == before
        assert await rig.schedules.forget(UID)
    finally:
        await link.request("CONFIG", "SET", "maxmemory", "0")


async def test_a_request_runs_once_out_of_turn_and_moves_no_tick(rig: TickRig) -> None:
    await rig.settle()
    first, again = await rig.now("by-ada"), await rig.now("by-ada")
    assert (first.fate, again.fate) == (Fate.ENQUEUED, Fate.ALREADY)
    assert first.job_id == again.job_id == f"{UID}:now:by-ada"
    assert (first.record.last_tick_ms, first.record.enqueued) == (None, 1)
    assert (await rig.now("second", FORBID)).fate is Fate.SKIPPED
    assert (await rig.now("second", ALLOW)).fate is Fate.ALREADY
    for number in range(25):
        await rig.now(f"n{number}", REPLACE)
    assert (await rig.now("n6")).fate is Fate.ALREADY
    assert len((await rig.schedules.look(UID)).recent) == 10


async def test_what_is_remembered_is_bounded(rig: TickRig) -> None:
    await rig.settle()
    for tick in range(rig.start, rig.start + 105):
        fired = await rig.fire(tick, keep=3)
    assert [run.tick_ms for run in fired.record.recent] == [rig.start + 104, rig.start + 103, rig.start + 102]
    assert len(fired.record.active) == 100
    assert fired.record.active[-1] == rig.id(rig.start + 104)
    for keep in (0, MOST_KEPT + 1):
        with pytest.raises(UsageError, match="keep 1 to 100"):
            await rig.fire(rig.start + 200, keep=keep)


async def test_what_is_forgotten_leaves_its_jobs_and_is_not_begun_anew_by_who_has_not_heard(rig: TickRig) -> None:
    seen = await rig.settle()
    await rig.fire(rig.start)
    assert await rig.schedules.forget(UID)
    assert not await rig.schedules.forget(UID)
    assert not (await rig.settle()).known
    assert (await rig.fire(rig.start + 1, seen=seen)).fate is Fate.STALE
    assert (await rig.driver.stats()).ready == 1
    assert (await rig.driver.link.request("PTTL", rig.driver.key(f"gone:{UID}"))) > 0


async def test_a_record_that_was_lost_makes_no_second_job_of_a_tick_that_waits(rig: TickRig) -> None:
    await rig.settle()
    await rig.fire(rig.start)
    await rig.driver.link.request("DEL", rig.driver.key(f"schedule:{UID}"))
    await rig.settle()
    again = await rig.fire(rig.start)
    assert (again.fate, again.record.last_tick_ms, again.record.enqueued) == (Fate.ALREADY, rig.start, 0)
    assert (await rig.driver.stats()).ready == 1


async def test_a_run_has_its_priority_and_goes_before_those_of_a_lower_one(rig: TickRig) -> None:
    await rig.settle()
    await rig.driver.join("w")
    await rig.fire(rig.start, priority=Priority.LOW)
    await rig.fire(rig.start + 1)
    await rig.now("urgent", priority=Priority.HIGH)
    urgent = f"{UID}:now:urgent"
    assert await rig.driver.states() == {
        rig.id(rig.start): {"ready:low"},
        rig.id(rig.start + 1): {"ready:default"},
        urgent: {"ready:high"},
    }
    first = await rig.driver.exchange("w", 1)
    assert first.ids == (urgent,)
    others = await rig.driver.exchange("w", 2, done=first.done)
    await rig.driver.exchange("w", done=others.done)
    assert not (await rig.driver.look()).leftovers()


async def test_a_run_with_a_limit_key_is_held_to_its_task_s_limits_beside_enqueued_jobs(rig: TickRig) -> None:
    await rig.settle()
    await rig.driver.join("w", rules={"t": Rule(concurrency=1)})
    await rig.driver.enqueue(specials=[limited("other", "task:t")])
    await rig.fire(rig.start, limit_key="task:t")
    await rig.now("r1", limit_key="task:t")
    got = await rig.driver.exchange("w", 10)
    assert got.ids == ("other",)
    assert await rig.driver.place(rig.id(rig.start)) == "parked"
    second = await rig.driver.exchange("w", 10, done=got.done)
    assert second.ids == (rig.id(rig.start),)
    await check_keys(rig.driver)
    replaced = await rig.fire(rig.start + 1, REPLACE, limit_key="task:t")
    assert replaced.replaced == (rig.id(rig.start), f"{UID}:now:r1")
    await check_keys(rig.driver)
    third = await rig.driver.exchange("w", 10, done=second.done)
    assert third.ids == (rig.id(rig.start + 1),)
    await rig.driver.exchange("w", done=third.done)
    assert not (await rig.driver.look()).leftovers()


async def test_beside_a_worker_too_old_for_limits_a_run_with_a_key_is_refused_whole(rig: TickRig) -> None:
    await rig.settle()
    await rig.driver.join("old", protocol=1)
    before = await rig.driver.look(), await rig.schedules.look(UID)
    for _ in range(2):
        with pytest.raises(ProtocolError, match="a worker of this queue speaks protocol 1"):
            await rig.fire(rig.start, limit_key="task:t")
        with pytest.raises(ProtocolError):
            await rig.now("r1", limit_key="task:t")
    assert (await rig.driver.look(), await rig.schedules.look(UID)) == before
    assert (await rig.fire(rig.start)).fate is Fate.ENQUEUED, "without one it is a job as any other"
    assert (await rig.fire(rig.start + 1, FORBID, limit_key="task:t")).fate is Fate.SKIPPED, "which needs no worker"
    await rig.driver.leave("old")
    assert (await rig.fire(rig.start + 2, limit_key="task:t")).fate is Fate.ENQUEUED


async def test_a_sleeping_queue_and_an_idle_worker_hear_of_a_tick(rig: TickRig) -> None:
    await rig.settle()
    await rig.driver.run("sleep")
    assert (await rig.driver.look()).hashes["meta"]["asleep"] == b"1"
    await rig.driver.join("w")
    await rig.driver.exchange("w", 1)
    await rig.fire(rig.start)
    after = await rig.driver.look()
    assert "asleep" not in after.hashes["meta"]
    assert after.wake == 1


@pytest.mark.parametrize("request_id", ["", "a b", "a" * 101, "ä", "a\n"])
async def test_a_request_is_a_short_plain_name(rig: TickRig, request_id: str) -> None:
    with pytest.raises(UsageError, match="run-now request"):
        await rig.now(request_id)


async def test_schedules_are_listed_by_name_and_gone_when_forgotten(admin: QueueAdmin, link: Link) -> None:
    for uid, name in (("u1", "shop/weekly"), ("u2", "shop/daily")):
        await admin.schedules.settle_terms(uid, name=name, timing="t", suspended=False, created_ms=0)
    assert [record.name for record in await admin.schedules.all()] == ["shop/daily", "shop/weekly"]
    for uid in ("u1", "u2"):
        await admin.schedules.forget(uid)
    assert await admin.schedules.all() == ()
    assert not await link.request("KEYS", "*:schedule*")


async def test_an_audit_finds_and_removes_what_has_no_counterpart(queue: QueueDriver, admin: QueueAdmin) -> None:
    rig = TickRig(queue)
    await rig.settle()
    await rig.fire(rig.start)
    assert (await admin.audit.run()).clean
    await queue.link.request("HSET", queue.key("schedule:stray"), "timing", "t")
    report = await admin.audit.run(repair=True)
    assert report.findings == (StraySchedule("stray"),)
    assert report.mended == 1
    assert (await admin.audit.run()).clean
    assert [record.uid for record in await admin.schedules.all()] == [UID]


def test_a_run_is_an_ordinary_job_that_knows_its_schedule_and_tick() -> None:
    stored = decode(job_value("report", {"day": "monday"}, name=NAME, tick_ms=5, enqueued_ms=7, timeout=3.0))
    assert (stored.task, stored.envelope.timeout, stored.envelope.enqueued_ms) == ("report", 3.0, 7)
    assert stored.envelope.meta == {"headrace.schedule": NAME, "headrace.tick": "5"}
    with pytest.raises(PayloadError, match="can't be encoded"):
        job_value("report", {"day": object()}, name=NAME, tick_ms=5, enqueued_ms=7)
    with pytest.raises(ConfigError, match="task name"):
        job_value("a|b", {}, name=NAME, tick_ms=5, enqueued_ms=7)
