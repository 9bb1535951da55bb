"""Lays a table out as rich does, without rich, whose import takes longer than most listings. Pure.

Only what every terminal shows alike: characters of one cell each, columns of some width. Of all else it says None, and
rich is asked. tests/unit/test_table.py holds both against one another.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import zip_longest
from typing import Final

_WIDE: Final = "[^\x20-\x7e\xa0-\xac\xae-\u02ff\u0370-\u0482]"
"""What may be more or less than one cell wide."""
_WORD: Final = r" *[^ ]+ *"
_PADDING: Final = 2
"""Of a cell: a blank at each side."""
_NARROWEST: Final = _PADDING + 1
_HEAD, _TITLE, _PLAIN = "\x1b[1m", "\x1b[3m", "\x1b[0m"

Row = Sequence[str]


def lay_out(title: str, columns: Row, rows: Sequence[Row], width: int, *, styled: bool = False) -> str | None:
    """The lines of the table in `width` characters, header bold and title italic where `styled`; None: not for here.

    Without columns there is no header. Rows are as long as columns.
    """
    everything = [columns, *rows] if columns else rows
    if not everything or re.search(_WIDE, "".join(cell for row in everything for cell in row)):
        return None
    edges = 1 + len(everything[0])
    widths = _widths([_PADDING + max(map(len, cells)) for cells in zip(*everything, strict=True)], width - edges)
    full = edges + sum(widths)
    if min(widths) < _NARROWEST or full > width or len(title) > full:
        return None
    bold, italic, plain = (_HEAD, _TITLE, _PLAIN) if styled else ("", "", "")
    blank = " " * full
    lines = [f"{italic}{title.ljust(full)}{plain}"] if title else []
    lines.append(blank)
    if columns:
        lines += _lines(columns, widths, at_bottom=True, style=bold, plain=plain)
        lines.append(f" {'─' * (full - 2)} ")
    for row in rows:
        lines += _lines(row, widths)
    return "\n".join([*lines, blank])


def _widths(wanted: list[int], most: int) -> list[int]:
    """What is too much is taken from the widest, from all of them when there are several."""
    wanted = [min(width, most) for width in wanted]
    while (excess := sum(wanted) - most) > 0:
        widest = max(wanted)
        others = max((width for width in wanted if width != widest), default=0)
        reduced, left, shares = [], excess, wanted.count(widest)
        for width in wanted:
            taken = min(excess, widest - others, round(left / shares)) if width == widest else 0
            left, shares = left - taken, shares - (width == widest)
            reduced.append(width - taken)
        wanted = reduced
    return wanted


def _lines(row: Row, widths: list[int], *, at_bottom: bool = False, style: str = "", plain: str = "") -> list[str]:
    """One row: as many lines as its highest cell."""
    if all(len(cell) + _PADDING <= width for cell, width in zip(row, widths, strict=True)):
        cells = [[cell] for cell in row]
    else:
        cells = [_folded(cell, width - _PADDING) for cell, width in zip(row, widths, strict=True)]
    if at_bottom:
        height = max(map(len, cells))
        cells = [[""] * (height - len(cell)) + cell for cell in cells]
    return [
        f" {' '.join(f'{style} {text:<{width - 1}}{plain}' for text, width in zip(line, widths, strict=True))} "
        for line in zip_longest(*cells, fillvalue="")
    ]


def _folded(text: str, width: int) -> list[str]:
    """Lines of at most `width`, broken between words, and within those that are longer than a line."""
    breaks: list[int] = []
    used = 0
    for match in re.finditer(_WORD, text):
        start, word = match.start(), match[0]
        needed = len(word.rstrip())
        if needed <= width - used:
            used += len(word)
        elif needed > width:
            breaks += [place for place in range(start, match.end(), width) if place]
            used = len(word) % width or width
        elif used and start:
            breaks.append(start)
            used = len(word)
    parts = zip([0, *breaks], [*breaks, len(text)], strict=True)
    return [text[start:end][:width] for start, end in parts]
