"""Tables that are laid out without rich: character by character what rich makes of them."""

from __future__ import annotations

import io
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from headrace.cli.output import rich_table
from headrace.cli.table import lay_out

ANSI = re.compile(r"\x1b\[[0-9;]*m")
COLUMNS = ("ID", "STATE", "TASK")
ROWS = [("mine", "ready", "mail"), ("yours", "leased", "a much longer name of a task, in words")]


def by_rich(title: str, columns: tuple[str, ...], rows: list[tuple[str, ...]], width: int) -> str:
    file = io.StringIO()
    console = Console(file=file, width=width, force_terminal=False, color_system=None)
    console.print(rich_table(title, columns, rows))
    return file.getvalue()


def test_it_looks_like_this() -> None:
    assert (lay_out("", COLUMNS, ROWS, 34) or "").splitlines() == [
        "                                  ",
        "  ID      STATE    TASK           ",
        " ──────────────────────────────── ",
        "  mine    ready    mail           ",
        "  yours   leased   a much longer  ",
        "                   name of a      ",
        "                   task, in       ",
        "                   words          ",
        "                                  ",
    ]


texts = st.text(st.sampled_from("ab c  déЖ.,-[]/:1"), max_size=25) | st.sampled_from(
    ["", " ", "a" * 40, "[/b]", "[red]x", ":smile:", "one two three four five six", "x" * 15 + " " + "y" * 15]
)


@st.composite
def tables(draw: st.DrawFn) -> tuple[str, tuple[str, ...], list[tuple[str, ...]], int]:
    count = draw(st.integers(1, 7))
    headed = count != 2 or draw(st.booleans())
    row = st.tuples(*[texts] * count)
    columns = draw(row) if headed else ()
    rows = draw(st.lists(row, min_size=not headed, max_size=5))
    return draw(st.sampled_from(["", "the oldest"])), columns, rows, draw(st.integers(5, 140))


@settings(max_examples=600, deadline=None)
@given(tables())
def test_it_is_what_rich_makes_of_it(table: tuple[str, tuple[str, ...], list[tuple[str, ...]], int]) -> None:
    title, columns, rows, width = table
    made = lay_out(title, columns, rows, width)
    assert made is None or f"{made}\n" == by_rich(title, columns, rows, width)


@pytest.mark.parametrize("width", range(24, 140, 5))
def test_what_listings_have_is_never_left_to_rich(width: int) -> None:
    assert lay_out("", COLUMNS, ROWS, width) is not None


@pytest.mark.parametrize(
    ("title", "cell", "width"),
    [
        ("", "日本", 80),
        ("", "🙂", 80),
        ("", "e\u0301", 80),
        ("", "\u200b", 80),
        ("", "word", 4),
        ("a long title", "x", 80),
    ],
)
def test_what_it_is_unsure_of_is_rich_s(title: str, cell: str, width: int) -> None:
    assert lay_out(title, ("A",), [(cell,)], width) is None


def test_styles_change_no_character() -> None:
    plain, styled = lay_out("the oldest", COLUMNS, ROWS, 60), lay_out("the oldest", COLUMNS, ROWS, 60, styled=True)
    assert styled is not None
    assert ANSI.sub("", styled) == plain
    assert "\x1b[1m ID" in styled
    assert styled.startswith("\x1b[3mthe oldest")
    body = styled.partition("─")[2]
    assert "\x1b" not in body
