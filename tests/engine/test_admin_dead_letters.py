"""Dead letters: paging that additions and deletions never shift, filters, facets, details, deletion."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.admin.dead_letters import Facet
from headrace.admin.merging import merge_certain
from headrace.admin.queue_admin import QueueAdmin
from headrace.admin.selection import ReplaySelection
from headrace.errors import JobNotFoundError, UsageError
from support.seeding import Seeder


async def _mixed(seeder: Seeder) -> list[str]:
    """Twenty letters of three tasks and two reasons, in order of death."""
    ids = []
    for i in range(20):
        ids.append(f"j{i}")
        await seeder.bury(
            ids[-1], task=("mail", "index", "mail", "scan")[i % 4], reason=("ValueError", "OSError")[i // 3 % 2]
        )
    return ids


async def _paged(admin: QueueAdmin, **options: Any) -> list[str]:
    """The ids of all letters, page by page; `options`: see `page`."""
    seen, cursor = [], None
    while True:
        page = await admin.dead_letters.page(cursor=cursor, **options)
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
    assert await _paged(admin, task=task, reason=reason, limit=3, newest_first=newest_first) == expected


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


@given(
    st.lists(st.integers(0, 500), unique=True, max_size=60),
    st.integers(1, 5),
    st.integers(1, 6),
    st.booleans(),
)
def test_a_merge_never_passes_over_a_score(scores: list[int], zsets: int, fetch: int, newest_first: bool) -> None:
    """Whatever the zsets hold, what a merge gives is the true beginning of the whole, and never nothing too early."""
    ordered = sorted(scores, reverse=newest_first)
    columns = [[(score, str(score)) for score in ordered if score % zsets == i][:fetch] for i in range(zsets)]
    merged = [score for score, _ in merge_certain(columns, fetch, newest_first=newest_first)]
    assert merged == ordered[: len(merged)]
    assert bool(merged) == bool(scores)
    if all(len(column) < fetch for column in columns):
        assert merged == ordered
