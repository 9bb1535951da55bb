"""Where a replay stands that was accepted before: what it has moved, and what it still may. Moves nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace

from headrace.admin.dead_letters import DeadLetters
from headrace.admin.filter_words import Moment
from headrace.admin.handle import QueueHandle
from headrace.admin.proposal import Terms, preview
from headrace.admin.selection import ReplaySelection
from headrace.contract.protocol import CHUNK


@dataclass(frozen=True)
class Standing:
    """Of one request at one queue."""

    moved: int
    """Letters that it has moved since it was accepted."""
    left: int
    """Letters that it means, and that have been dead ever since; a bound may leave some of them out."""
    called_off: bool
    """It never runs again."""

    @property
    def meant(self) -> int:
        """All of them: the same number, however far it is."""
        return self.moved + self.left


async def standing(
    handle: QueueHandle, dead_letters: DeadLetters, selection: ReplaySelection, request: str
) -> Standing | None:
    """None when the request was never accepted or is forgotten. `selection` is what it was accepted with."""
    names = ("replayed", "until_us", "since_us", "cancelled")
    moved, until, since, cancelled = await handle.request("HMGET", f"replay:{request}", *names)
    if moved is None or until is None:
        return None
    until_us, since_us = int(float(until)), int(float(since)) if since else None
    if selection.ids:
        left = await _left_of_ids(dead_letters, selection, until_us)
    else:
        since_then = None if since_us is None else Moment(since_us)
        meant = replace(selection, everything=False, since=since_then, older_than=Moment(until_us + 1))
        left = (await preview(handle, dead_letters, meant, Terms())).count
    return Standing(int(moved), left, cancelled is not None)


async def _left_of_ids(dead_letters: DeadLetters, selection: ReplaySelection, until_us: int) -> int:
    ids, left = list(dict.fromkeys(selection.ids)), 0
    for start in range(0, len(ids), CHUNK):
        left += sum(one.died_us <= until_us for one in await dead_letters.letters(ids[start : start + CHUNK]))
    return left
