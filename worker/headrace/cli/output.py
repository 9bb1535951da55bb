"""How results are shown: tables on a terminal, tab-separated lines in a pipe, one JSON or YAML document for scripts.

Values come from users' code (names, error messages), so whatever is not printable is replaced: a message must not
be able to move the cursor of whoever looks at it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from enum import StrEnum
from importlib.util import find_spec
from typing import Any, TextIO

import msgspec

from headrace.cli.table import Row, lay_out
from headrace.errors import UsageError


class Format(StrEnum):
    """What `-o` takes."""

    AUTO = "auto"
    TABLE = "table"
    PLAIN = "plain"
    JSON = "json"
    YAML = "yaml"


Cell = str | int | float | bool | None


class Printer:
    """Shows results in one format."""

    def __init__(self, wanted: Format) -> None:
        table = Format.TABLE if sys.stdout.isatty() else Format.PLAIN
        self.format = table if wanted is Format.AUTO else wanted

    @property
    def structured(self) -> bool:
        """One document for a script: nothing else may go to stdout."""
        return self.format in (Format.JSON, Format.YAML)

    def rows(self, columns: Sequence[str], rows: Sequence[Sequence[Cell]], data: Any, *, title: str = "") -> None:
        """A list; `data` is what a document shows in its stead."""
        match self.format:
            case Format.JSON | Format.YAML:
                self.document(data)
            case Format.TABLE:
                _print_table(title, columns, texts(rows))
            case _:
                _write("\n".join("\t".join(row) for row in (columns, *texts(rows))))

    def record(self, fields: Mapping[str, Cell], data: Any) -> None:
        """One thing; fields without value are left out."""
        shown = [[name, _text(value)] for name, value in fields.items() if value not in (None, "")]
        match self.format:
            case Format.JSON | Format.YAML:
                self.document(data)
            case Format.TABLE:
                _print_table("", (), shown)
            case _:
                _write("\n".join("\t".join(row) for row in shown))

    def document(self, data: Any) -> None:
        """One JSON or YAML document."""
        if self.format is Format.YAML:
            _write(_yaml(data))
        else:
            _write(msgspec.json.format(msgspec.json.encode(data), indent=2).decode())

    def say(self, sentence: str, data: Any) -> None:
        """The outcome of a command, in one sentence."""
        if self.structured:
            self.document(data)
        else:
            _write(printable(sentence))

    def text(self, lines: str) -> None:
        """Lines beside a record, for people."""
        _write(lines)


def _write(text: str, stream: TextIO | None = None) -> None:
    print(text, file=stream or sys.stdout, flush=True)


def check_format(wanted: Format) -> Format:
    """As an option's callback, so before anything is done: YAML needs a package that workers do without.

    Raises UsageError.
    """
    if wanted is Format.YAML and find_spec("yaml") is None:
        raise UsageError("-o yaml needs PyYAML: pip install pyyaml, or use -o json")
    return wanted


def note(text: str) -> None:
    """Something beside the result, for people: on stderr."""
    _write(f"headrace: {printable(text)}", sys.stderr)


def printable(text: str) -> str:
    """The text with each unprintable character as a space."""
    return text if text.isprintable() else "".join(c if c.isprintable() else " " for c in text)


def printable_lines(text: str) -> str:
    """The same, line by line."""
    return "\n".join(printable(line) for line in text.splitlines())


def time_of(ms: int | None) -> str | None:
    """Unix ms as UTC, to the second."""
    if ms is None:
        return None
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(sep=" ", timespec="seconds").replace("+00:00", "Z")


def _yaml(data: Any) -> str:
    import yaml

    # libyaml's, where PyYAML was built with it: a page of letters takes it a fifth of the time
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    plain = msgspec.to_builtins(data, str_keys=True)
    return str(yaml.dump(plain, Dumper=dumper, sort_keys=False, allow_unicode=True, width=120)).rstrip("\n")


def texts(rows: Sequence[Sequence[Cell]]) -> list[Row]:
    """As tables and lines have them."""
    return [[_text(cell) for cell in row] for row in rows]


def _text(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    return printable(str(cell))


_FEW = 3
"""Rows that can stand side by side."""
_RICH_S = ("FORCE_COLOR", "TTY_COMPATIBLE", "JPY_PARENT_PID")
"""Variables by which people tell rich what it should take their terminal for."""
_DUMB = ("dumb", "unknown")
_DEFAULT_WIDTH = 80


def _print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    if (width := _plain_width()) is not None:
        styled = sys.stdout.isatty() and os.environ.get("TERM", "").lower() not in _DUMB
        if (laid_out := lay_out(title, *turn(columns, rows, width), width, styled=styled)) is not None:
            return _write(laid_out)
    from rich.console import Console

    console = Console()
    console.print(rich_table(title, *turn(columns, rows, console.width)))
    return None


def _plain_width() -> int | None:
    """The terminal's, as rich finds it; None where rich should decide what is shown, and how."""
    if any(os.environ.get(name) for name in _RICH_S) or not (sys.stdout.encoding or "").lower().startswith("utf"):
        return None
    if sys.stdout.isatty() and os.environ.get("TERM", "").lower() in _DUMB:
        return _DEFAULT_WIDTH
    said = os.environ.get("COLUMNS", "")
    if said.isascii() and said.isdigit():
        return int(said)
    for stream in (0, 1, 2):
        with suppress(OSError):
            return os.get_terminal_size(stream).columns or _DEFAULT_WIDTH
    return _DEFAULT_WIDTH


def turn(columns: Row, rows: Sequence[Row], width: int) -> tuple[Row, Sequence[Row]]:
    """On its side, where it is too wide and has few rows: folded to a letter a line nobody reads it."""
    if columns and 0 < len(rows) <= _FEW and _width(columns, rows) > width:
        columns, *rows = zip(columns, *rows, strict=True)
    return columns, rows


def rich_table(title: str, columns: Row, rows: Sequence[Row]) -> Any:
    """As rich shows it."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    made = Table(title=title or None, box=SIMPLE_HEAD, show_header=bool(columns), title_justify="left")
    for name in columns or ("", ""):
        made.add_column(Text(name), overflow="fold")
    for row in rows:
        made.add_row(*(Text(cell) for cell in row))
    return made


def _width(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> int:
    """Characters of a table that folds nothing: each cell has two of padding, each line two at its ends."""
    return 2 + sum(2 + max(map(len, cells)) for cells in zip(columns, *rows, strict=True))
