"""The words that narrow a choice of dead letters, row by row."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.admin.filter_words import Field, Moment, Span, parse_field, parse_moment, parse_span
from headrace.admin.selection import LetterFilter, ReplaySelection, letter_filter, select
from headrace.errors import UsageError

DAY_US = 86_400_000_000


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("90s", Moment(90_000_000, ago=True)),
        ("15m", Moment(900_000_000, ago=True)),
        ("2h", Moment(7_200_000_000, ago=True)),
        ("7d", Moment(7 * DAY_US, ago=True)),
        ("1w", Moment(7 * DAY_US, ago=True)),
        ("1970-01-02", Moment(DAY_US)),
        ("1970-01-02T00:00:00Z", Moment(DAY_US)),
        ("1970-01-02T02:00:00+02:00", Moment(DAY_US)),
        ("1970-01-01T00:00:00.000001", Moment(1)),
    ],
)
def test_a_moment(text: str, moment: Moment) -> None:
    assert parse_moment("since", text) == moment
    assert parse_moment("since", str(moment)) == moment


@pytest.mark.parametrize("text", ["", "2", "h", "2y", "-2h", "1969-01-01", "yesterday", "2026-13-01", "9" * 7 + "h"])
def test_what_is_no_moment(text: str) -> None:
    with pytest.raises(UsageError, match=r"^--since must be an age such as 90s, 15m, 2h, 7d or 1w, or a time such as "):
        parse_moment("--since", text)


@pytest.mark.parametrize(
    ("text", "within", "without"),
    [("3", [3], [2, 4]), ("3..", [3, 99], [2]), ("..2", [0, 2], [3]), ("2..5", [2, 5], [1, 6]), ("0", [0], [1])],
)
def test_a_span(text: str, within: list[int], without: list[int]) -> None:
    span = parse_span("attempts", text)
    assert [number in span for number in within + without] == [True] * len(within) + [False] * len(without)
    assert str(span) == text


@pytest.mark.parametrize("text", ["", "..", "5..2", "-1", "a", "2...5", "2-5", "1.5"])
def test_what_is_no_span(text: str) -> None:
    with pytest.raises(
        UsageError, match=r"^attempts must be a number such as 3, or bounds such as 3\.\., \.\.2 or 2\.\.5"
    ):
        parse_span("attempts", text)


@given(st.integers(0, 999), st.integers(0, 999))
def test_spans_read_back(one: int, other: int) -> None:
    span = Span(min(one, other), max(one, other))
    assert parse_span("attempts", str(span)) == span


ARGUMENTS = {"to": "ada", "n": 17, "ok": True, "none": None, "user": {"id": "17", "tags": ["a", "b"]}, "0": "ada"}


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("to=ada", True),
        ("to=Ada", False),
        ("0=ada", True),
        ("n=17", True),
        ("n=17.0", False),
        ("ok=true", True),
        ("ok=1", False),
        ("n=true", False),
        ("none=null", True),
        ("user.id=17", True),
        ('user.tags=[ "a","b" ]', True),
        ('user={"tags": ["a", "b"], "id": "17"}', True),
        ("user.name=17", False),
        ("to.id=17", False),
        ("missing=null", False),
        ("n={", False),
        (" to = ada ", True),
        ("to=", False),
    ],
)
def test_a_field(text: str, matches: bool) -> None:
    assert parse_field("where", text).matches(ARGUMENTS) is matches


@pytest.mark.parametrize("text", ["secret", "=secret", ".a=secret", "a..b=secret", ""])
def test_what_is_no_field_is_said_without_the_value(text: str) -> None:
    with pytest.raises(UsageError, match="must name a parameter and its value") as caught:
        parse_field("where", text)
    assert "secret" not in str(caught.value)


def test_a_field_s_value_is_in_no_log() -> None:
    assert "ada" not in repr(LetterFilter(where=(Field(("to",), "ada"),)))


def test_a_filter_says_itself_in_the_same_words() -> None:
    said = letter_filter(
        task="t", reason="r", since="2h", older_than="1970-01-02", attempts="2..", where=["a.b=1", "to=ada"]
    )
    assert said.words == (
        "task=t",
        "reason=r",
        "since=2h",
        "older-than=1970-01-02T00:00:00Z",
        "attempts=2..",
        "where=a.b=1",
        "where=to=ada",
    )
    assert said.scans
    assert not LetterFilter(task="t").scans


def test_a_selection_is_one_of_three() -> None:
    for said, everything, ids in (
        (LetterFilter(), False, ()),
        (LetterFilter(task="t"), True, ()),
        (LetterFilter(where=(Field(("a",), "1"),)), False, ("x",)),
        (LetterFilter(), True, ("x",)),
    ):
        with pytest.raises(UsageError, match="one of the three"):
            select(said, everything=everything, ids=ids)


def test_digests_of_selections_tell_them_apart() -> None:
    some = [
        ReplaySelection(everything=True),
        ReplaySelection(ids=("a",)),
        ReplaySelection(task="a"),
        ReplaySelection(reason="a"),
        ReplaySelection(since=Moment(1)),
        ReplaySelection(older_than=Moment(1)),
        ReplaySelection(attempts=Span(1, 1)),
        ReplaySelection(where=(Field(("a",), "1"),)),
        ReplaySelection(where=(Field(("a",), "2"),)),
    ]
    assert len({one.digest for one in some}) == len(some)
    assert ReplaySelection(ids=("a", "b")).digest == ReplaySelection(ids=("b", "a")).digest
