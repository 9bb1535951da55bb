"""Which letters a command line means: the options of every verb about dead letters, read into values."""

from __future__ import annotations

from typing import Final

from headrace.admin.selection import LetterFilter, ReplaySelection, letter_filter, select
from headrace.errors import UsageError

WHICH_LETTERS: Final = "say which letters: --id, --all, or a filter such as --task, --reason or --since"
"""To who has not said any, which never means all of them."""


def read_filter(
    task: str | None,
    reason: str | None,
    since: str | None,
    older_than: str | None,
    attempts: str | None,
    where: list[str],
) -> LetterFilter:
    """From the options that say which letters are meant. Raises UsageError."""
    return letter_filter(
        task=task, reason=reason, since=since, older_than=older_than, attempts=attempts, where=where, dashes="--"
    )


def read_selection(said: LetterFilter, ids: list[str], everything: bool) -> ReplaySelection:
    """Raises UsageError, also where nothing is said."""
    if not (ids or said.words or everything):
        raise UsageError(WHICH_LETTERS)
    return select(said, everything=everything, ids=ids)
