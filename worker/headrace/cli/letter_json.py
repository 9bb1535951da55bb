"""Dead letters as JSON, the same wherever they are shown."""

from __future__ import annotations

from typing import Any

from headrace.admin.dead_letters import DeadLetter, DeadLetterDetail


def letter_json(letter: DeadLetter) -> dict[str, Any]:
    """As the list has it."""
    record = letter.record
    return {
        **{name: value for name, value in vars(letter).items() if name != "record"},
        "error": record.error,
        "attempts": record.attempts,
        "crashes": record.crashes,
        "worker": record.worker,
        "seconds": record.seconds,
    }


def detail_json(found: DeadLetterDetail) -> dict[str, Any]:
    """With what else is kept of it, but its payload."""
    rest = {name: value for name, value in vars(found).items() if name != "letter"}
    return {**letter_json(found.letter), **rest}
