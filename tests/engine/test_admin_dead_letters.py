"""Dead letters: paging that additions and deletions never shift, filters, facets, details, deletion."""

from __future__ import annotations

import random
from typing import Any

import pytest

from headrace.admin.facets import Facet
from headrace.admin.queue_admin import QueueAdmin
from headrace.admin.selection import EVERY_LETTER, LetterFilter, ReplaySelection
from headrace.contract.envelope import DeathRecord, encode_death
from headrace.errors import JobNotFoundError, UsageError
from support.seeding import Seeder

pytestmark = pytest.mark.everywhere


async def _mixed(seeder: Seeder) -> list[str]:
    """Twenty letters of three tasks and two reasons, in order of death."""
    ids = []
    for i in range(20):
        ids.append(f"j{i}")
        await seeder.bury(
            ids[-1], task=("mail", "index", "mail", "scan")[i % 4], reason=("ValueError", "OSError")[i // 3 % 2]
        )
    return ids


async def _paged(admin: QueueAdmin, said: LetterFilter = EVERY_LETTER, **options: Any) -> list[str]:
    """The ids of all letters, page by page; `options`: see `page`."""
    seen, cursor = [], None
    while True:
        page = await admin.dead_letters.page(said, cursor=cursor, **options)
        seen += [letter.id for letter in page.letters]
        cursor = page.cursor
        if cursor is None:
            return seen


async def test_pages_follow_the_cursor_to_the_end(seeder: Seeder, admin: QueueAdmin) -> None:
    ids = await _mixed(seeder)
    assert await _paged(admin, limit=6) == ids


async def test_newest_first_is_the_reverse(seeder: Seeder, admin: QueueAdmin) -> None:
    ids = await _mixed(seeder)
    first = await admin.dead_letters.page(limit=15, newest_first=True)
    rest = await admin.dead_letters.page(limit=15, newest_first=True, cursor=first.cursor)
    assert [letter.id for letter in (*first.letters, *rest.letters)] == ids[::-1]
    assert rest.cursor is None


@pytest.mark.parametrize(("task", "reason"), [("mail", None), (None, "OSError"), ("mail", "ValueError"), ("x", None)])
@pytest.mark.parametrize("newest_first", [False, True])
async def test_filters_merge_facets_in_order_of_death(
    seeder: Seeder, admin: QueueAdmin, task: str | None, reason: str | None, newest_first: bool
) -> None:
    await _mixed(seeder)
    everything = (await admin.dead_letters.page(newest_first=newest_first)).letters
    expected = [e.id for e in everything if task in (None, e.task) and reason in (None, e.reason)]
    assert await _paged(admin, LetterFilter(task=task, reason=reason), limit=3, newest_first=newest_first) == expected


async def test_deaths_and_deletions_between_pages_shift_nothing(seeder: Seeder, admin: QueueAdmin) -> None:
    ids = await _mixed(seeder)
    first = await admin.dead_letters.page(limit=5)
    await seeder.bury("late")
    await admin.dead_letters.delete(ReplaySelection(ids=("j0", "j3", "j7")))
    rest = await admin.dead_letters.page(limit=100, cursor=first.cursor)
    assert [letter.id for letter in rest.letters] == [*(i for i in ids[5:] if i != "j7"), "late"]


async def test_facets_count_by_task_and_reason(seeder: Seeder, admin: QueueAdmin) -> None:
    await seeder.bury("a", "b", task="mail")
    await seeder.bury("c", task="scan", reason="OSError")
    assert await admin.dead_letters.facets() == (Facet("mail", "ValueError", 2), Facet("scan", "OSError", 1))


async def test_get_shows_traceback_and_envelope_facts(seeder: Seeder, admin: QueueAdmin) -> None:
    await seeder.bury("a", traceback="File x, line 1")
    found = await admin.dead_letters.get("a")
    assert found.traceback == "File x, line 1"
    assert (found.letter.task, found.letter.reason, found.letter.record.error) == (
        "t",
        "ValueError",
        "ValueError: boom",
    )
    assert (found.enqueued_ms, found.correlation_id, found.meta) == (1700000000000, "c-1", {"tenant": "a"})


async def test_get_of_an_id_that_is_not_dead_says_so(admin: QueueAdmin) -> None:
    with pytest.raises(JobNotFoundError, match="no dead letter 'nope' in queue 'q'"):
        await admin.dead_letters.get("nope")


async def test_delete_by_filter_leaves_the_others_and_no_trace(seeder: Seeder, admin: QueueAdmin) -> None:
    await seeder.bury("a", "b", task="mail", traceback="mine")
    await seeder.bury("c", task="scan", traceback="other")
    assert await admin.dead_letters.delete(ReplaySelection(task="mail")) == 2
    assert [letter.id for letter in (await admin.dead_letters.page()).letters] == ["c"]
    assert await seeder.raw("HLEN", "jobs") == 1
    assert await seeder.raw("HKEYS", "tb") == [b"fp-other"]
    assert (await admin.audit.run()).clean


async def test_delete_everything(seeder: Seeder, admin: QueueAdmin) -> None:
    await _mixed(seeder)
    assert await admin.dead_letters.delete(ReplaySelection(everything=True)) == 20
    assert (await admin.stats()).dead == 0
    assert await admin.dead_letters.facets() == ()


@pytest.mark.parametrize("limit", [0, 1001, -1])
async def test_a_wrong_limit_is_refused(admin: QueueAdmin, limit: int) -> None:
    with pytest.raises(UsageError, match="use 1 to 1000"):
        await admin.dead_letters.page(limit=limit)


@pytest.mark.parametrize(
    "wrong",
    [{}, {"everything": True, "task": "t"}, {"ids": ("a",), "reason": "x"}, {"everything": True, "ids": ("a",)}],
)
def test_a_selection_is_exactly_one_kind(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="one of the three"):
        ReplaySelection(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("reason", ["a|b", "a\nb", "^%d+$", "", "="])
async def test_a_reason_may_be_any_text(seeder: Seeder, admin: QueueAdmin, reason: str) -> None:
    await seeder.bury("other", task="mail", reason="OSError")
    await seeder.bury("a", task="mail", reason=reason)
    for task in ("mail", None):
        (letter,) = (await admin.dead_letters.page(LetterFilter(task=task, reason=reason))).letters
        assert (letter.id, letter.task, letter.reason) == ("a", "mail", reason)
    preview = await admin.replays.preview(ReplaySelection(reason=reason))
    assert (preview.count, preview.by_reason) == (1, {reason: 1})


async def test_any_spread_of_letters_over_facets_is_read_in_order(seeder: Seeder, admin: QueueAdmin) -> None:
    """Runs of one facet, many facets, gaps: every page is the true next part of the whole, from both ends."""
    chance = random.Random(7)
    for round_ in range(12):
        await seeder.raw("DEL", "facets")
        facets = [f"mail|E{round_}.{i}" for i in range(chance.randint(1, 30))]
        ordered: list[str] = []
        least = chance.randint(0, 400)
        while len(ordered) < least:
            facet = chance.choice(facets)
            for _ in range(chance.choice((1, 1, 2, 90))):
                ordered.append(f"j{len(ordered)}")
                await seeder.raw("ZADD", f"dead:{facet}", len(ordered) * 7, ordered[-1])
                await seeder.raw(
                    "HSET", "dj", ordered[-1], f"{facet}\0\0".encode() + encode_death(DeathRecord("", 0, 0))
                )
        await seeder.raw("HSET", "facets", *[part for facet in facets for part in (facet, 1)])
        limit = chance.randint(1, 150)
        assert await _paged(admin, LetterFilter(task="mail"), limit=limit) == ordered
        assert await _paged(admin, LetterFilter(task="mail"), limit=limit, newest_first=True) == ordered[::-1]
