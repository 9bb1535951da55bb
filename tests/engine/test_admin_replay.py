"""Replays: dry-run, selection, resumption, a bound that holds over restarts, and letters that died later stay."""

from __future__ import annotations

import asyncio

import pytest

from headrace.admin.filter_words import Moment, Span
from headrace.admin.queue_admin import QueueAdmin
from headrace.admin.replay import ReplayProgress
from headrace.admin.selection import ReplaySelection
from headrace.admin.standing import Standing
from headrace.contract.envelope import decode
from headrace.errors import UsageError
from headrace.wire.link import Link
from support.seeding import Seeder

pytestmark = pytest.mark.everywhere

ALL = ReplaySelection(everything=True)


async def _bury_many(seeder: Seeder, count: int, **said: str) -> list[str]:
    ids = [f"{said.get('task', 't')}-{i:04d}" for i in range(count)]
    for start in range(0, count, 500):
        await seeder.bury(*ids[start : start + 500], **said)
    return ids


async def test_preview_counts_and_samples_without_moving(seeder: Seeder, admin: QueueAdmin) -> None:
    await seeder.bury("a", "b", "c", task="mail")
    await seeder.bury("d", task="mail", reason="OSError")
    await seeder.bury("e", task="scan")
    preview = await admin.replays.preview(ReplaySelection(task="mail"))
    assert (preview.count, preview.by_reason) == (4, {"ValueError": 3, "OSError": 1})
    assert [letter.id for letter in preview.sample] == ["a", "b", "c", "d"]
    assert (await admin.stats()).dead == 5


async def test_preview_of_ids_counts_only_the_dead(seeder: Seeder, admin: QueueAdmin) -> None:
    await seeder.bury("a", "b")
    preview = await admin.replays.preview(ReplaySelection(ids=("a", "nope", "a")))
    assert (preview.count, preview.by_reason) == (1, {"ValueError": 1})


async def test_preview_since_counts_the_later_ones(seeder: Seeder, admin: QueueAdmin) -> None:
    await seeder.bury("a")
    await seeder.bury("b")
    died = (await admin.dead_letters.get("b")).letter.died_us
    preview = await admin.replays.preview(ReplaySelection(since=Moment(died)))
    assert (preview.count, [letter.id for letter in preview.sample]) == (1, ["b"])


async def test_replayed_jobs_are_ready_with_fresh_attempts(seeder: Seeder, admin: QueueAdmin) -> None:
    await seeder.bury("a", "b")
    done = await admin.replays.replay(ReplaySelection(ids=("a",)), request="r1")
    assert (done.moved, done.total, done.finished) == (1, 1, True)
    stats = await admin.stats()
    assert (stats.ready, stats.dead, stats.replayed) == (1, 1, 1)
    stored = decode(await seeder.raw("HGET", "jobs", "a"))
    assert (stored.attempts, stored.replays) == (0, 1)
    assert (await admin.audit.run()).clean


@pytest.mark.parametrize(
    ("selection", "left"),
    [
        (ReplaySelection(task="mail"), {"c", "d"}),
        (ReplaySelection(reason="OSError"), {"a", "d"}),
        (ReplaySelection(task="scan", reason="OSError"), {"a", "b", "d"}),
        (ALL, set()),
    ],
)
async def test_a_selection_moves_what_it_means(
    seeder: Seeder, admin: QueueAdmin, selection: ReplaySelection, left: set[str]
) -> None:
    await seeder.bury("a", task="mail")
    await seeder.bury("b", task="mail", reason="OSError")
    await seeder.bury("c", task="scan", reason="OSError")
    await seeder.bury("d", task="scan")
    await admin.replays.replay(selection, request="r1")
    assert {letter.id for letter in (await admin.dead_letters.page()).letters} == left


@pytest.mark.parametrize(
    ("chosen", "left"),
    [
        (ALL, 3),
        (ReplaySelection(task="mail"), 2),
        (ReplaySelection(reason="OSError"), 1),
        (ReplaySelection(attempts=Span(3, 3)), 3),
        (ReplaySelection(ids=("mail-0000", "mail-0001", "scan-0000", "late", "never")), 3),
        (ReplaySelection(since=Moment(3_600_000_000, ago=True)), 3),
    ],
    ids=str,
)
async def test_what_a_request_may_still_move_is_what_was_dead_when_it_was_accepted(
    seeder: Seeder, admin: QueueAdmin, chosen: ReplaySelection, left: int
) -> None:
    assert await admin.replays.standing(chosen, request="r1") is None
    await _bury_many(seeder, 2, task="mail")
    await _bury_many(seeder, 1, task="scan", reason="OSError")
    await admin.replays.replay(chosen, request="r1", most=1)
    [_] = await seeder.exchange(1)
    await seeder.bury("late", task="mail", reason="OSError")
    assert await admin.replays.standing(chosen, request="r1") == Standing(1, left - 1, called_off=False)


async def test_a_caller_that_dies_midway_goes_on_where_it_was(seeder: Seeder, admin: QueueAdmin) -> None:
    await _bury_many(seeder, 2500)

    async def die(_: ReplayProgress) -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await admin.replays.replay(ALL, request="r1", on_progress=die)
    assert await admin.replays.standing(ALL, request="r1") == Standing(1000, 1500, called_off=False)
    seen: list[int] = []

    async def note(progress: ReplayProgress) -> None:
        seen.append(progress.total)

    done = await admin.replays.replay(ALL, request="r1", on_progress=note)
    assert (done.moved, done.total, seen) == (1500, 2500, [2000, 2500])
    assert (await admin.stats()).ready == 2500


async def test_the_bound_holds_over_restarts(seeder: Seeder, admin: QueueAdmin) -> None:
    ids = await _bury_many(seeder, 2200)

    async def die(_: ReplayProgress) -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await admin.replays.replay(ALL, request="r1", most=1300, on_progress=die)
    for expected in (300, 0):
        done = await admin.replays.replay(ALL, request="r1", most=1300)
        assert (done.moved, done.total) == (expected, 1300)
    left = (await admin.dead_letters.page(limit=1000)).letters
    assert [letter.id for letter in left] == ids[1300:]


async def test_callers_racing_on_one_request_keep_its_bound(seeder: Seeder, admin: QueueAdmin) -> None:
    await _bury_many(seeder, 1500)
    others = [admin.replays.replay(ALL, request="r1", most=700) for _ in range(5)]
    moved = [done.moved for done in await asyncio.gather(*others)]
    assert sum(moved) == 700
    assert (await admin.stats()).ready == 700


async def test_letters_that_died_after_acceptance_stay(seeder: Seeder, admin: QueueAdmin) -> None:
    await seeder.bury("a", "b")
    await admin.replays.replay(ReplaySelection(task="t"), request="r1", most=1)
    await seeder.exchange(1)  # so that the next burial finds nothing else ready
    await seeder.bury("late")
    again = await admin.replays.replay(ReplaySelection(task="t"), request="r1", most=1)
    assert again.moved == 0
    unbounded = await admin.replays.replay(ALL, request="r2", until_us=again.until_us)
    assert unbounded.moved == 1
    assert [letter.id for letter in (await admin.dead_letters.page()).letters] == ["late"]


async def test_a_named_letter_that_died_again_is_not_replayed_twice(seeder: Seeder, admin: QueueAdmin) -> None:
    chosen = ReplaySelection(ids=("a",))
    await seeder.bury("a")
    await admin.replays.replay(chosen, request="r1")
    assert await seeder.exchange(1) == ["a"]
    await seeder.exchange(0, ["bury", "a", seeder.claim, "t", "ValueError", "", "", "", 3])
    assert (await admin.replays.replay(chosen, request="r1")).moved == 0
    assert (await admin.stats()).dead == 1


async def test_a_finished_request_never_runs_again(seeder: Seeder, admin: QueueAdmin) -> None:
    await seeder.bury("a")
    await admin.replays.replay(ALL, request="r1")
    await seeder.exchange(1)
    await seeder.bury("b")
    assert (await admin.replays.replay(ALL, request="r1")).moved == 0


async def test_a_request_is_remembered_for_seven_days(seeder: Seeder, admin: QueueAdmin) -> None:
    await seeder.bury("a")
    await admin.replays.replay(ALL, request="r1")
    kept = await seeder.raw("PTTL", "replay:r1")
    assert 6.9 < kept / 86_400_000 <= 7


async def test_replay_wakes_idle_workers_and_a_sleeping_queue(seeder: Seeder, admin: QueueAdmin) -> None:
    await seeder.bury("a")
    await seeder.exchange(1)
    assert await admin.control.sleep()
    await admin.replays.replay(ALL, request="r1")
    assert not (await admin.stats()).asleep
    assert await seeder.raw("LLEN", "wake") == 1


@pytest.mark.parametrize(
    ("selection", "most"), [(ReplaySelection(task="t"), None), (ALL, 5)], ids=["selection", "bound"]
)
async def test_the_same_request_with_other_contents_is_refused(
    admin: QueueAdmin, selection: ReplaySelection, most: int | None
) -> None:
    await admin.replays.replay(ALL, request="r1")
    with pytest.raises(UsageError, match="accepted with another selection or bound"):
        await admin.replays.replay(selection, request="r1", most=most)


@pytest.mark.parametrize(("request_id", "most"), [("", None), ("a b", None), ("x" * 101, None), ("r", 0), ("r", -1)])
async def test_a_wrong_request_is_refused_before_anything_is_written(
    admin: QueueAdmin, seeder: Seeder, request_id: str, most: int | None
) -> None:
    with pytest.raises(UsageError):
        await admin.replays.replay(ALL, request=request_id, most=most)
    assert await seeder.raw("EXISTS", f"replay:{request_id}") == 0


async def test_a_full_redis_can_be_replayed_from(seeder: Seeder, admin: QueueAdmin, link: Link) -> None:
    await seeder.bury("a")
    await link.request("CONFIG", "SET", "maxmemory", 1, at=admin.control.signal_channel)
    try:
        assert (await admin.replays.replay(ALL, request="r1")).moved == 1
        assert await admin.control.pause()
        assert await admin.control.cordon(["s1"], 5000) == {"s1": 0}
        assert await admin.control.claim_ownership("c/n/a") == "c/n/a"
    finally:
        await link.request("CONFIG", "SET", "maxmemory", 0, at=admin.control.signal_channel)
