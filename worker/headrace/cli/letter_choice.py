"""Which letters a command line means: the options of every verb about dead letters, read into values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from headrace.admin.selection import LetterFilter, ReplaySelection, letter_filter, select
from headrace.cli.output import note
from headrace.cli.unused_queue import note_unused
from headrace.contract.protocol import CHUNK
from headrace.errors import UsageError

if TYPE_CHECKING:
    from headrace.admin.proposal import ReplayPreview
    from headrace.admin.queue_admin import QueueAdmin

WHICH_LETTERS: Final = "say which letters: --id, --all, or a filter such as --task, --reason or --since"
"""To who has not said any, which never means all of them."""
_NAMED: Final = 10
"""Most ids of letters that aren't there that are named."""


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


async def propose(
    admin: QueueAdmin, selection: ReplaySelection, most: int | None = None, max_replays: int | None = None
) -> tuple[ReplayPreview, list[str]]:
    """What a replay or a deletion would be of, and the ids given on the line that no dead letter has."""
    found = await admin.replays.preview(selection, most=most, max_replays=max_replays)
    if not found.count:
        await note_unused(admin)
    all_there = found.count == len(set(selection.ids))
    return found, [] if all_there else await absent(admin, list(selection.ids))


async def absent(admin: QueueAdmin, ids: list[str]) -> list[str]:
    """Those of the ids given on the line that no dead letter has now."""
    there: set[str] = set()
    for start in range(0, len(ids), CHUNK):
        there |= {letter.id for letter in await admin.dead_letters.letters(ids[start : start + CHUNK])}
    return [job_id for job_id in dict.fromkeys(ids) if job_id not in there]


def note_absent(queue: str, ids: list[str], gone: list[str]) -> bool:
    """Names those on stderr; True: none of the ids is a dead letter's, so the line was a mistake."""
    if gone:
        named = ", ".join(map(repr, gone[:_NAMED]))
        more = f" and {len(gone) - _NAMED} more" if len(gone) > _NAMED else ""
        note(f"no dead letter{'s' if len(gone) > 1 else ''} {named}{more} in queue {queue!r}")
    return bool(gone) and len(gone) == len(set(ids))
