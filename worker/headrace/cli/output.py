"""How results are shown: tables on a terminal, tab-separated lines in a pipe, one JSON document for scripts.

Values come from users' code (names, error messages), so whatever is not printable is replaced: a message must not
be able to move the cursor of whoever looks at it.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TextIO

import msgspec


class Format(StrEnum):
    """What `-o` takes."""

    AUTO = "auto"
    TABLE = "table"
    PLAIN = "plain"
    JSON = "json"


Cell = str | int | float | bool | None


class Printer:
    """Shows results in one format."""

    def __init__(self, wanted: Format) -> None:
        table = Format.TABLE if sys.stdout.isatty() else Format.PLAIN
        self.format = table if wanted is Format.AUTO else wanted

    def rows(self, columns: Sequence[str], rows: Sequence[Sequence[Cell]], data: Any, *, title: str = "") -> None:
        """A list; `data` is what JSON shows in its stead."""
        shown = [[_text(cell) for cell in row] for row in rows]
        match self.format:
            case Format.JSON:
                self.json(data)
            case Format.TABLE:
                _rich_table(title, columns, shown)
            case _:
                _write("\n".join("\t".join(row) for row in (columns, *shown)))

    def record(self, fields: Mapping[str, Cell], data: Any) -> None:
        """One thing; fields without value are left out."""
        shown = [[name, _text(value)] for name, value in fields.items() if value not in (None, "")]
        match self.format:
            case Format.JSON:
                self.json(data)
            case Format.TABLE:
                _rich_table("", (), shown)
            case _:
                _write("\n".join("\t".join(row) for row in shown))

    def json(self, data: Any) -> None:
        """One JSON document."""
        _write(msgspec.json.format(msgspec.json.encode(data), indent=2).decode())

    def say(self, sentence: str, data: Any) -> None:
        """The outcome of a command, in one sentence."""
        if self.format is Format.JSON:
            self.json(data)
        else:
            _write(printable(sentence))


def _write(text: str, stream: TextIO | None = None) -> None:
    print(text, file=stream or sys.stdout, flush=True)


def note(text: str) -> None:
    """Something beside the result, for people: on stderr."""
    _write(f"headrace: {printable(text)}", sys.stderr)


def printable(text: str) -> str:
    """The text with each unprintable character as a space."""
    return "".join(c if c.isprintable() else " " for c in text)


def printable_lines(text: str) -> str:
    """The same, line by line."""
    return "\n".join(printable(line) for line in text.splitlines())


def time_of(ms: int | None) -> str | None:
    """Unix ms as UTC, to the second."""
    if ms is None:
        return None
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(sep=" ", timespec="seconds").replace("+00:00", "Z")


def _text(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    return printable(str(cell))


_FEW = 3
"""Rows that can stand side by side."""


def _rich_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    if columns and 0 < len(rows) <= _FEW and _width(columns, rows) > console.width:
        columns, *rows = zip(columns, *rows, strict=True)  # on its side: folded to a letter a line nobody reads it
    table = Table(title=title or None, box=SIMPLE_HEAD, show_header=bool(columns), title_justify="left")
    for name in columns or ("", ""):
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console.print(table)


def _width(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> int:
    """Characters of a table that folds nothing: each cell has two of padding, each line two at its ends."""
    return 2 + sum(2 + max(map(len, cells)) for cells in zip(columns, *rows, strict=True))
