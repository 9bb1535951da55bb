"""The window of recent runs: what it counts, what it must not, and that it stays small."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace_operator.core.evidence import Runs
from headrace_operator.core.run_window import SLICES, RunWindow

START = 1_900_000_000.0
SECONDS = 100.0
Look = tuple[float, Mapping[str, Runs]]


def lived(*looks: Look, left_out: tuple[str, ...] = (), seconds: float = SECONDS) -> RunWindow:
    """A window after these looks, each so many seconds after the start; the first begins it."""
    window = RunWindow(START, dict(looks[0][1]))
    for at, counts in looks:
        window = window.after(counts, START + at, seconds, left_out)
    return window


COUNTED: list[tuple[str, tuple[Look, ...], Runs]] = [
    ("nothing has run", ((0, {}), (10, {})), Runs()),
    ("what was there before is not recent", ((0, {"a": Runs(1000, 900)}),), Runs()),
    ("what came since", ((0, {"a": Runs(10, 1)}), (10, {"a": Runs(13, 5)})), Runs(3, 4)),
    ("of all versions", ((0, {"a": Runs(), "b": Runs(5)}), (10, {"a": Runs(1), "b": Runs(5, 2)})), Runs(1, 2)),
    ("at two looks", ((0, {"a": Runs()}), (10, {"a": Runs(1)}), (20, {"a": Runs(1, 2)})), Runs(1, 2)),
    ("the old is forgotten", ((0, {"a": Runs()}), (10, {"a": Runs(5)}), (110, {"a": Runs(5, 2)})), Runs(0, 2)),
    ("not sooner", ((0, {"a": Runs()}), (10, {"a": Runs(5)}), (109, {"a": Runs(5, 2)})), Runs(5, 2)),
    ("data was lost", ((0, {"a": Runs(50, 50)}), (10, {"a": Runs(1, 40)})), Runs()),
    ("of failures alone", ((0, {"a": Runs(50, 50)}), (10, {"a": Runs(60, 40)})), Runs()),
    (
        "and it goes on",
        ((0, {"a": Runs(50, 50)}), (10, {"a": Runs(1, 40)}), (20, {"a": Runs(2, 43)})),
        Runs(1, 3),
    ),
    ("a version that is new to us", ((0, {"a": Runs(5)}), (10, {"a": Runs(6), "b": Runs(0, 900)})), Runs(1)),
    (
        "counts from its second look on",
        ((0, {}), (10, {"b": Runs(0, 900)}), (20, {"b": Runs(2, 903)})),
        Runs(2, 3),
    ),
    ("one that is gone", ((0, {"a": Runs(5), "b": Runs(9)}), (10, {"a": Runs(6)})), Runs(1)),
    (
        "one that is gone and back",
        ((0, {"b": Runs(9)}), (10, {}), (20, {"b": Runs(99, 99)})),
        Runs(),
    ),
    (
        "a clock put back forgets what it has not seen yet",
        ((0, {"a": Runs()}), (50, {"a": Runs(5)}), (20, {"a": Runs(5, 1)})),
        Runs(0, 1),
    ),
]


@pytest.mark.parametrize(("name", "looks", "expected"), COUNTED, ids=[row[0] for row in COUNTED])
def test_what_is_counted(name: str, looks: tuple[Look, ...], expected: Runs) -> None:
    assert lived(*looks).runs == expected, name


def test_what_a_version_fails_on_trial_is_never_counted_not_even_later() -> None:
    window = lived((0, {"new": Runs()}), (10, {"new": Runs(1, 60)}), left_out=("new",))
    assert window.runs == Runs()
    assert window.after({"new": Runs(3, 60)}, START + 20, SECONDS).runs == Runs(2, 0)


def test_the_sum_of_versions_that_are_folded_is_no_run() -> None:
    """A queue adds up what its old versions did as `*`: that many more, and none of them new."""
    looks = ((0.0, {"old": Runs(500, 400), "a": Runs()}), (10.0, {"*": Runs(500, 400), "a": Runs(2)}))
    assert lived(*looks).runs == Runs(2)


def test_it_is_whole_when_nothing_was_missed_for_its_length() -> None:
    window = lived((0, {}))
    assert not window.is_whole(START + 99, SECONDS)
    assert window.is_whole(START + 100, SECONDS)
    back = window.after({}, START - 500, SECONDS)
    assert back.is_whole(START - 400, SECONDS), "a clock that was put back delays nothing"


def test_looks_in_quick_succession_share_a_slice() -> None:
    window = RunWindow(START, {"a": Runs()})
    for look in range(1, 1001):
        window = window.after({"a": Runs(look, look)}, START + look / 10, SECONDS)
    assert window.runs == Runs(1000, 1000)
    assert len(window.slices) == SLICES


steps = st.lists(st.tuples(st.floats(0.1, 40), st.integers(0, 9), st.integers(0, 9)), max_size=60)


@given(steps, st.floats(10, 200))
def test_it_holds_what_is_recent_and_no_more(life: list[tuple[float, int, int]], seconds: float) -> None:
    window, now, total = RunWindow(START, {"a": Runs()}), START, Runs()
    ended: list[tuple[float, int]] = []
    for pause, completed, failed in life:
        now += pause
        total = Runs(total.completed + completed, total.failed + failed)
        ended.append((now, completed + failed))
        window = window.after({"a": total}, now, seconds)
        surely = sum(count for time, count in ended if now - time < seconds * (1 - 1 / SLICES) - 1e-3)
        perhaps = sum(count for time, count in ended if now - time < seconds + 1e-3)
        assert surely <= window.runs.finished <= perhaps
        assert len(window.slices) <= SLICES + 1


counts = st.dictionaries(st.sampled_from("abc*"), st.builds(Runs, st.integers(0, 50), st.integers(0, 50)), max_size=4)


@given(st.lists(st.tuples(st.floats(-50, 50), counts, st.sets(st.sampled_from("abc"))), max_size=30))
def test_whatever_the_counts_do_it_stays_small_and_never_counts_too_much(
    life: list[tuple[float, dict[str, Runs], set[str]]],
) -> None:
    window, now, most = RunWindow(START), START, 0
    before: dict[str, Runs] = {}
    for pause, found, left_out in life:
        now += pause
        most += sum(
            max(found[name].finished - before[name].finished, 0)
            for name in found.keys() & before.keys()
            if name not in left_out
        )
        window, before = window.after(found, now, SECONDS, left_out), found
        assert 0 <= window.runs.finished <= most
        assert min(window.runs.completed, window.runs.failed) >= 0
        assert len(window.slices) <= SLICES + 1
        assert window.began <= now
