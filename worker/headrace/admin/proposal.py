"""What a replay would move now, with a digest by which that very set can be approved. Moves nothing."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from headrace.admin.dead_letters import DeadLetter, DeadLetters, read_letters
from headrace.admin.facets import Survey, survey
from headrace.admin.handle import QueueHandle
from headrace.admin.paging import Wanted, read_page
from headrace.admin.selection import ReplaySelection
from headrace.admin.sieve import AT_ONCE
from headrace.contract.protocol import CHUNK
from headrace.errors import UsageError

_DIGEST: Final = re.compile(r"[0-9a-f]{12}")
SAMPLE: Final = 10
COUNTED: Final = 10_000
"""Most letters that are looked at to say which of them a bound lets move."""
REPLAYS_MOST: Final = 255
"""How far replays of a letter are counted."""


@dataclass(frozen=True)
class Terms:
    """What else than the choice of letters decides which of them would move. Raises UsageError."""

    most: int | None = None
    """Most letters to move, the oldest first."""
    max_replays: int | None = None
    """Letters that were replayed so often already stay; 1 to 255."""

    def __post_init__(self) -> None:
        if self.most is not None and self.most < 1:
            raise UsageError(f"a replay of at most {self.most} letters moves nothing: use 1 or more")
        if self.max_replays is not None and not 1 <= self.max_replays <= REPLAYS_MOST:
            raise UsageError(f"max-replays {self.max_replays}: use 1 to {REPLAYS_MOST}")

    def salt(self, selection: ReplaySelection) -> str:
        """All that decides what would move but the letters, for the digest of the set."""
        return f"{selection.digest} {self.most or 0} {self.max_replays or 0}"


@dataclass(frozen=True)
class ReplayPreview:
    """What a replay would move now."""

    count: int
    """Letters that are meant; a bound may leave some of them out."""
    by_reason: Mapping[str, int]
    """Exception class → letters that are meant."""
    sample: tuple[DeadLetter, ...]
    """The oldest few of those that would move."""
    digest: str = ""
    """Approves this set: another one as soon as a letter comes or goes that could be meant, or is edited."""
    left_out: int | None = 0
    """Of the letters meant, those that stay since they were replayed too often already; None: too many to count."""
    moves: int = 0
    """How many of them would move; the most it can be where `left_out` is None."""
    moves_by_reason: Mapping[str, int] | None = None
    """Exception class → letters that would move; None: too many to look at."""


def check_digest(text: str, word: str = "approve") -> str:
    """One queue's, as a preview gives it. Raises UsageError, also for an empty one: it would approve any set."""
    if not _DIGEST.fullmatch(text):
        raise UsageError(f"{word} must be the digest that a dry run has told, got {text[:60]!r}")
    return text


async def preview(
    handle: QueueHandle, dead_letters: DeadLetters, selection: ReplaySelection, terms: Terms
) -> ReplayPreview:
    """The indexes alone answer for tasks, reasons and times.

    Ids, attempts and payloads take a look at each letter, and bounds at those that they let move.
    """
    found = await survey(handle, selection, terms=terms.salt(selection))
    if selection.ids or selection.scans:
        counts, sample = await _one_by_one(dead_letters, selection, found)
    else:
        counts = Counter()
        for facet in found.facets:
            counts[facet.reason] += facet.count
        sample = read_letters(await read_page(handle, Wanted(selection.task, selection.reason, found.range), SAMPLE))
    count = counts.total()
    if terms.max_replays is None and (terms.most is None or count <= terms.most):
        by_reason = _ranked(counts)
        return ReplayPreview(count, by_reason, tuple(sample), found.digest, 0, count, by_reason)
    walk = _Walk(handle, terms, count)
    await walk.go(_letters(dead_letters, selection, found))
    shown = ReplayPreview(count, _ranked(counts), tuple(walk.sample), found.digest, walk.left_out, walk.most)
    return replace(shown, moves=walk.moves.total(), moves_by_reason=_ranked(walk.moves)) if walk.whole else shown


def _ranked(counts: Counter[str]) -> dict[str, int]:
    return {reason: count for reason, count in counts.most_common() if count}


async def _letters(
    dead_letters: DeadLetters, selection: ReplaySelection, found: Survey
) -> AsyncIterator[list[DeadLetter]]:
    """Those that are meant, in the order in which a replay moves them."""
    if selection.ids:
        ids = list(dict.fromkeys(selection.ids))
        for start in range(0, len(ids), CHUNK):
            yield await dead_letters.letters(ids[start : start + CHUNK])
        return
    meant = found.range.until(await dead_letters.newest_us())
    async for kept in dead_letters.sift(selection, meant):
        yield read_letters(kept)


async def _one_by_one(
    dead_letters: DeadLetters, selection: ReplaySelection, found: Survey
) -> tuple[Counter[str], list[DeadLetter]]:
    counts: Counter[str] = Counter()
    sample: list[DeadLetter] = []
    async for letters in _letters(dead_letters, selection, found):
        counts.update(letter.reason for letter in letters)
        sample = (sample + letters)[:SAMPLE]
    return counts, sample


class _Walk:
    """Goes through the letters as the replay would, up to COUNTED of them, to say which of them its bounds let move."""

    def __init__(self, handle: QueueHandle, terms: Terms, count: int) -> None:
        """count: letters that are meant."""
        self._handle = handle
        self._max_replays = terms.max_replays
        self.most = count if terms.most is None else min(terms.most, count)
        self.moves: Counter[str] = Counter()
        self.sample: list[DeadLetter] = []
        self.whole = (count if self._max_replays is not None else self.most) <= COUNTED
        """Whether `moves` has all that would move; else there is just a sample."""
        self.left_out: int | None = 0 if self.whole or self._max_replays is None else None

    async def go(self, parts: AsyncIterator[list[DeadLetter]]) -> None:
        """To the end, or until nothing more can be learnt."""
        looked_at = 0
        async for letters in parts:
            for start in range(0, len(letters), AT_ONCE):
                await self._look(letters[start : start + AT_ONCE])
            looked_at += len(letters)
            if self._done() or looked_at >= COUNTED:
                return

    def _done(self) -> bool:
        if not self.whole:
            return len(self.sample) == SAMPLE
        return self._max_replays is None and self.moves.total() == self.most

    async def _look(self, letters: Sequence[DeadLetter]) -> None:
        spent = await self._spent([letter.id for letter in letters])
        if self.left_out is not None:
            self.left_out += len(spent)
        moving = [letter for letter in letters if letter.id not in spent][: self.most - self.moves.total()]
        self.moves.update(letter.reason for letter in moving)
        self.sample = (self.sample + moving)[:SAMPLE]

    async def _spent(self, ids: Sequence[str]) -> set[str]:
        """Those of them that are dead and were replayed as often as they may be."""
        if self._max_replays is None or not ids:
            return set()
        scores, values = await self._handle.pipeline([("ZMSCORE", "dead", *ids), ("HMGET", "jobs", *ids)])
        found = zip(ids, scores, values, strict=True)
        return {i for i, score, value in found if score is not None and value and value[2] >= self._max_replays}
