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


def show_preview(printer: Printer, preview: ReplayPreview, verb: str) -> None:
    """Counts by reason and the oldest few, of what would move; beyond a number, reasons are of all that match.

    verb: what would be done to so many.
    """
    spared, count = preview.left_out or 0, preview.moves
    by_reason = preview.by_reason if preview.moves_by_reason is None else preview.moves_by_reason
    if printer.structured:
        sample = [letter_json(letter) for letter in preview.sample]
        said = {"count": count, "matched": preview.count, "by_reason": by_reason, "sample": sample}
        return printer.document(said | {"digest": preview.digest, "left_out": preview.left_out})
    printer.rows(
        ("REASON", "LETTERS" if preview.moves_by_reason is not None else "MATCHED"), list(by_reason.items()), None
    )
    if preview.sample:
        printer.rows(COLUMNS, [row(letter) for letter in preview.sample], None, title="the oldest")
    aside = f"; {spared} replayed too often stay" if spared else ""
    if preview.left_out is None:
        aside = " at most; those replayed too often stay"
    of = "" if preview.count == count else f" of {preview.count} that match"
    return printer.say(f"{count}{of} {verb}{aside}", None)
