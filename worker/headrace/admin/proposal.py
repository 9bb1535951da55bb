"""What a replay would move now, with a digest by which that very set can be approved. Moves nothing."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
"""Most letters that are looked at to count those that were replayed too often already."""
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
    """Exception class → letters."""
    sample: tuple[DeadLetter, ...]
    """The oldest few."""
    digest: str = ""
    """Approves this set: another one as soon as a letter comes or goes that could be meant, or is edited."""
    left_out: int | None = 0
    """Of the letters meant, those that stay since they were replayed too often already; None: too many to count."""


def check_digest(text: str, word: str = "approve") -> str:
    """One queue's, as a preview gives it. Raises UsageError, also for an empty one: it would approve any set."""
    if not _DIGEST.fullmatch(text):
        raise UsageError(f"{word} must be the digest that a dry run has told, got {text[:60]!r}")
    return text


async def preview(
    handle: QueueHandle, dead_letters: DeadLetters, selection: ReplaySelection, terms: Terms
) -> ReplayPreview:
    """The indexes alone answer for ids, tasks, reasons and times; attempts and payloads take a look at each letter."""
    found = await survey(handle, selection, terms=terms.salt(selection))
    if selection.ids:
        counts, sample = await _counted_ids(dead_letters, selection)
    elif selection.scans:
        counts, sample = await _counted_one_by_one(dead_letters, selection, found)
    else:
        counts = Counter()
        for facet in found.facets:
            counts[facet.reason] += facet.count
        sample = read_letters(await read_page(handle, Wanted(selection.task, selection.reason, found.range), SAMPLE))
    left_out = await _left_out(handle, dead_letters, selection, found, terms, counts.total())
    by_reason = {reason: count for reason, count in counts.most_common() if count}
    return ReplayPreview(counts.total(), by_reason, tuple(sample), found.digest, left_out)


Counted = tuple[Counter[str], list[DeadLetter]]


async def _counted_ids(dead_letters: DeadLetters, selection: ReplaySelection) -> Counted:
    counts: Counter[str] = Counter()
    sample: list[DeadLetter] = []
    ids = list(dict.fromkeys(selection.ids))
    for start in range(0, len(ids), CHUNK):
        letters = await dead_letters.letters(ids[start : start + CHUNK])
        counts.update(letter.reason for letter in letters)
        sample = (sample + letters)[:SAMPLE]
    return counts, sample


async def _counted_one_by_one(dead_letters: DeadLetters, selection: ReplaySelection, found: Survey) -> Counted:
    counts: Counter[str] = Counter()
    sample: list[DeadLetter] = []
    newest = await dead_letters.newest_us()
    async for kept in dead_letters.sift(selection, found.range.until(newest)):
        letters = read_letters(kept)
        counts.update(letter.reason for letter in letters)
        sample = (sample + letters)[:SAMPLE]
    return counts, sample


async def _left_out(
    handle: QueueHandle,
    dead_letters: DeadLetters,
    selection: ReplaySelection,
    found: Survey,
    terms: Terms,
    count: int,
) -> int | None:
    if terms.max_replays is None:
        return 0
    if count > COUNTED:
        return None
    spent = 0
    meant = found.range.until(await dead_letters.newest_us())
    async for ids in dead_letters.select(selection, meant):
        for start in range(0, len(ids), AT_ONCE):
            spent += await _spent(handle, ids[start : start + AT_ONCE], terms.max_replays)
    return spent


async def _spent(handle: QueueHandle, ids: Sequence[str], max_replays: int) -> int:
    scores, values = await handle.pipeline([("ZMSCORE", "dead", *ids), ("HMGET", "jobs", *ids)])
    alive = (value for score, value in zip(scores, values, strict=True) if score is not None and value)
    return sum(value[2] >= max_replays for value in alive)
