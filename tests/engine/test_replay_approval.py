"""A proposal's digest: another one whenever the set is; what it approves moves wholly, or nothing does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable

import pytest

from headrace.admin.filter_words import Moment
from headrace.admin.queue_admin import QueueAdmin
from headrace.admin.replay import ReplayProgress
from headrace.admin.selection import LetterFilter, ReplaySelection, letter_filter, select
from headrace.admin.standing import Standing
from headrace.contract.envelope import DeathRecord, encode_death, lua_string
from headrace.errors import SetChangedError, UsageError
from support.seeding import Seeder

pytestmark = pytest.mark.everywhere

RECORD = lua_string(encode_death(DeathRecord("ValueError: again", 3, 0)))
ALL = ReplaySelection(everything=True)
CHOICES = [
    ALL,
    ReplaySelection(task="t"),
    ReplaySelection(reason="ValueError"),
    ReplaySelection(ids=("a", "b", "late", "b")),
    ReplaySelection(since=Moment(3_600_000_000, ago=True)),
    select(letter_filter(attempts="..9")),
]
NAMES = ["all", "task", "reason", "ids", "since", "attempts"]


async def _bury(seeder: Seeder) -> None:
    await seeder.bury("a", "b", "c")
    await seeder.bury("other", task="u", reason="OSError")


async def _dies_again(seeder: Seeder, admin: QueueAdmin) -> None:
    """One goes and the same one comes: as many letters as before."""
    await admin.replays.replay(ReplaySelection(ids=("a",)), request="meanwhile")
    assert await seeder.exchange(1) == ["a"]
    await seeder.exchange(0, ["bury", "a", seeder.claim, "t", "ValueError", RECORD, "", "", 3])


async def _comes(seeder: Seeder, _: QueueAdmin) -> None:
    await seeder.bury("late")


async def _goes(_: Seeder, admin: QueueAdmin) -> None:
    assert await admin.dead_letters.delete(ReplaySelection(ids=("b",))) == 1


@pytest.mark.parametrize("change", [_comes, _goes, _dies_again])
@pytest.mark.parametrize("selection", CHOICES, ids=NAMES)
async def test_a_set_that_changed_is_refused_whole(
    seeder: Seeder,
    admin: QueueAdmin,
    selection: ReplaySelection,
    change: Callable[[Seeder, QueueAdmin], Awaitable[None]],
) -> None:
    await _bury(seeder)
    approved = (await admin.replays.preview(selection)).digest
    assert (await admin.replays.preview(selection)).digest == approved, "nothing has changed"
    await change(seeder, admin)
    dead = (await admin.stats()).dead
    with pytest.raises(
        SetChangedError, match=f"^letters, filter, max or max-replays differ from what {approved} was proposed for"
    ) as caught:
        await admin.replays.replay(selection, request="r1", approve=approved)
    assert (await admin.stats()).dead == dead
    now = (await admin.replays.preview(selection)).digest
    assert caught.value.digest == now != approved
    moved = await admin.replays.replay(selection, request="r1", approve=now)
    assert (moved.finished, moved.moved > 0) == (True, True), "the name is free: nothing was accepted"


@pytest.mark.parametrize("selection", CHOICES, ids=NAMES)
async def test_what_was_approved_moves_even_if_the_caller_comes_back_later(
    seeder: Seeder, admin: QueueAdmin, selection: ReplaySelection
) -> None:
    await _bury(seeder)
    found = await admin.replays.preview(selection)
    done = await admin.replays.replay(selection, request="r1", approve=found.digest)
    assert done.moved == found.count
    again = await admin.replays.replay(selection, request="r1", approve=found.digest)
    assert (again.moved, again.total) == (0, found.count)


async def test_letters_that_are_not_meant_change_no_digest(seeder: Seeder, admin: QueueAdmin) -> None:
    await _bury(seeder)
    of_task, of_time = ReplaySelection(task="u"), select(LetterFilter(older_than=Moment(await _now_us(admin))))
    digests = [(await admin.replays.preview(one)).digest for one in (of_task, of_time)]
    await seeder.bury("late")
    assert [(await admin.replays.preview(one)).digest for one in (of_task, of_time)] == digests
    assert (await admin.replays.replay(of_time, request="r1", approve=digests[1])).moved == 4


async def _now_us(admin: QueueAdmin) -> int:
    return await admin.dead_letters.newest_us() + 1


async def test_bounds_and_the_words_are_part_of_what_is_approved(seeder: Seeder, admin: QueueAdmin) -> None:
    await _bury(seeder)
    preview = admin.replays.preview
    digests = [
        (await preview(ALL)).digest,
        (await preview(ALL, most=2)).digest,
        (await preview(ALL, max_replays=2)).digest,
        (await preview(ReplaySelection(task="t"))).digest,
        (await preview(select(letter_filter(task="t", attempts="3")))).digest,
        (await preview(select(letter_filter(task="t", attempts="2")))).digest,
    ]
    assert len(set(digests)) == len(digests)
    with pytest.raises(SetChangedError):
        await admin.replays.replay(ALL, request="r1", approve=digests[1])
    for nothing in ("", "zzz", f"{digests[1]}.{digests[1]}", digests[1].upper()):
        with pytest.raises(UsageError, match="approve must be the digest that a dry run has told, got "):
            await admin.replays.replay(ALL, request="r1", approve=nothing)
    assert (await admin.replays.replay(ALL, request="r1", most=2, approve=digests[1])).moved == 2


async def test_a_repair_that_brings_a_letter_back_changes_the_digest(seeder: Seeder, admin: QueueAdmin) -> None:
    await _bury(seeder)
    before = (await admin.replays.preview(ALL)).digest
    await seeder.raw("ZREM", "dead:t|ValueError", "a")
    assert (await admin.audit.run(repair=True)).mended
    assert (await admin.stats()).dead == 4
    assert (await admin.replays.preview(ALL)).digest != before


async def test_letters_replayed_too_often_stay_and_are_counted(seeder: Seeder, admin: QueueAdmin) -> None:
    await _bury(seeder)
    await _dies_again(seeder, admin)
    preview = await admin.replays.preview(ALL, max_replays=1)
    assert (preview.count, preview.left_out) == (4, 1)
    done = await admin.replays.replay(ALL, request="r1", max_replays=1)
    assert (done.moved, done.left_out, done.finished) == (3, 1, True)
    assert [letter.id for letter in (await admin.dead_letters.page()).letters] == ["a"]
    named = await admin.replays.replay(ReplaySelection(ids=("a",)), request="r2", max_replays=2)
    assert (named.moved, named.left_out) == (1, 0)


@pytest.mark.parametrize("selection", CHOICES, ids=NAMES)
@pytest.mark.parametrize(("most", "max_replays"), [(None, None), (1, None), (2, None), (None, 1), (1, 1), (9, 1)])
async def test_a_preview_shows_the_letters_that_then_move(
    seeder: Seeder, admin: QueueAdmin, selection: ReplaySelection, most: int | None, max_replays: int | None
) -> None:
    await _bury(seeder)
    await _dies_again(seeder, admin)
    shown = await admin.replays.preview(selection, most=most, max_replays=max_replays)
    before = await admin.dead_letters.page()
    done = await admin.replays.replay(selection, request="r1", most=most, max_replays=max_replays, approve=shown.digest)
    left = {letter.id for letter in (await admin.dead_letters.page()).letters}
    moved = [letter for letter in before.letters if letter.id not in left]
    assert {letter.id for letter in shown.sample} == {letter.id for letter in moved}
    assert shown.moves == done.moved == len(moved)
    assert shown.moves_by_reason == Counter(letter.reason for letter in moved)
    assert sum(shown.by_reason.values()) == shown.count >= shown.moves


async def test_a_preview_looks_at_no_more_than_it_may(
    seeder: Seeder, admin: QueueAdmin, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _bury(seeder)
    await _dies_again(seeder, admin)
    monkeypatch.setattr("headrace.admin.proposal.COUNTED", 2)
    monkeypatch.setattr("headrace.admin.proposal.SAMPLE", 3)
    few, many = await admin.replays.preview(ALL, most=2), await admin.replays.preview(ALL, most=3)
    assert (few.moves, few.moves_by_reason) == (2, {"ValueError": 2})
    assert (many.moves, many.moves_by_reason, len(many.sample)) == (3, None, 3)
    spared = await admin.replays.preview(ALL, most=2, max_replays=1)
    assert (spared.moves, spared.moves_by_reason, spared.left_out) == (2, None, None)
    assert "a" not in {letter.id for letter in spared.sample}


async def test_beyond_what_is_looked_at_nobody_counts_who_stays(
    seeder: Seeder, admin: QueueAdmin, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _bury(seeder)
    monkeypatch.setattr("headrace.admin.proposal.COUNTED", 3)
    assert (await admin.replays.preview(ALL, max_replays=1)).left_out is None
    assert (await admin.replays.preview(ALL)).left_out == 0


@pytest.mark.parametrize("max_replays", [0, -1, 256])
async def test_a_limit_of_replays_without_sense(admin: QueueAdmin, max_replays: int) -> None:
    with pytest.raises(UsageError, match="use 1 to 255"):
        await admin.replays.replay(ALL, request="r1", max_replays=max_replays)


async def test_a_replay_that_was_called_off_never_goes_on(seeder: Seeder, admin: QueueAdmin) -> None:
    assert await admin.replays.cancel("r1") is None
    await seeder.bury(*(f"j{i}" for i in range(20)))

    async def call_off(_: ReplayProgress) -> None:
        assert await admin.replays.cancel("r1") == 10

    for _ in range(2):
        with pytest.raises(UsageError, match="'r1' was called off; start a new one"):
            await admin.replays.replay(ALL, request="r1", rate=100, on_progress=call_off)
    assert (await admin.stats()).dead == 10
    assert await admin.replays.standing(ALL, request="r1") == Standing(10, 10, called_off=True)
