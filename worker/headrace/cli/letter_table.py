"""How dead letters stand in tables, and what a delete or a replay would do to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace.cli.letter_json import letter_json
from headrace.cli.output import Cell, Printer, time_of

if TYPE_CHECKING:
    from headrace.admin.dead_letters import DeadLetter
    from headrace.admin.proposal import ReplayPreview

COLUMNS = ("ID", "TASK", "REASON", "DIED", "ATTEMPTS", "CRASHES", "ERROR")


def row(letter: DeadLetter) -> list[Cell]:
    """One letter under COLUMNS."""
    record = letter.record
    return [
        *(letter.id, letter.task, letter.reason, time_of(letter.died_us // 1000)),
        *(record.attempts, record.crashes, record.error),
    ]


def show_preview(printer: Printer, preview: ReplayPreview, verb: str, most: int | None = None) -> None:
    """Counts by reason and the oldest few. verb: what would be done to so many."""
    spared = preview.left_out or 0
    count = preview.count - spared if most is None else min(preview.count - spared, most)
    if printer.structured:
        sample = [letter_json(letter) for letter in preview.sample]
        said = {"count": count, "by_reason": preview.by_reason, "sample": sample, "digest": preview.digest}
        return printer.document(said | {"left_out": preview.left_out})
    printer.rows(("REASON", "LETTERS"), list(preview.by_reason.items()), None)
    if preview.sample:
        printer.rows(COLUMNS, [row(letter) for letter in preview.sample], None, title="the oldest")
    aside = f"; {spared} replayed too often stay" if spared else ""
    if preview.left_out is None:
        aside = " at most; those replayed too often stay"
    return printer.say(f"{count} {verb}{aside}", None)
