"""Looks through the dead letters and deletes them. Replaying them is replay.py's."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from headrace.admin.facets import Facet, facet_named, range_of, read_facets, survey
from headrace.admin.handle import QueueHandle
from headrace.admin.paging import Range, Scored, Wanted, read_page
from headrace.admin.selection import EVERY_LETTER, LetterFilter, ReplaySelection
from headrace.admin.sieve import Sieve
from headrace.contract.envelope import DeathRecord, UnreadableEnvelope, decode, decode_dead_entry
from headrace.contract.protocol import CHUNK
from headrace.errors import JobNotFoundError, UsageError

if TYPE_CHECKING:
    from headrace.admin.edit import Change

LOOKED_AT: Final = 2_000
"""Most letters that one page looks at one by one: some 40 ms with payloads of a few hundred bytes."""


@dataclass(frozen=True)
class DeadLetter:
    """One dead letter as the list shows it; never its payload."""

    id: str
    task: str
    reason: str
    """Exception class, or what the handler gave to Bury."""
    died_us: int
    """Unix µs on the Redis server's clock; the cursor of the list."""
    record: DeathRecord


@dataclass(frozen=True)
class DeadLetterDetail:
    """One dead letter with all that is kept of it but the payload."""

    letter: DeadLetter
    traceback: str
    """Empty when the job's worker died rather than its handler."""
    replays: int
    enqueued_ms: int | None
    """On the producer's clock; None when the envelope can't be read."""
    correlation_id: str
    meta: dict[str, str]


@dataclass(frozen=True)
class Page:
    """Some letters; pass `cursor` to get those after them. None: there are no more."""

    letters: tuple[DeadLetter, ...]
    cursor: int | None
    looked_at: int = 0
    """How many letters were looked at one by one to find these."""


class DeadLetters:
    """The dead letters of one queue."""

    def __init__(self, handle: QueueHandle) -> None:
        self._handle = handle

    async def page(
        self,
        said: LetterFilter = EVERY_LETTER,
        *,
        cursor: int | None = None,
        limit: int = 100,
        newest_first: bool = False,
    ) -> Page:
        """Up to `limit` (1 to 1000) letters in order of death; letters that come or go never shift the pages.

        Where the filter needs a look at each letter, a page ends after LOOKED_AT of them, with a cursor to go on from.

        Raises UsageError.
        """
        if not 1 <= limit <= CHUNK:
            raise UsageError(f"limit {limit}: use 1 to {CHUNK}")
        sieve, handle = Sieve(self._handle, said), self._handle
        meant = replace(await range_of(handle, said), newest_first=newest_first)
        size = sieve.at_once if said.scans else limit
        kept: list[Scored] = []
        looked_at = 0
        while True:
            found = await read_page(handle, Wanted(said.task, said.reason, meant.after(cursor)), size)
            looked_at += len(found)
            kept += await sieve.keep(found)
            if len(kept) > limit:
                del kept[limit:]
                cursor = kept[-1].died_us
                break
            cursor = found[-1].died_us if len(found) == size else None
            if cursor is None or len(kept) == limit or looked_at >= LOOKED_AT:
                break
        return Page(tuple(read_letters(kept)), cursor, looked_at if said.scans else 0)

    async def facets(self, said: LetterFilter = EVERY_LETTER) -> tuple[Facet, ...]:
        """Counts by task and reason, the largest first; attempts and payloads are not looked at."""
        if said == EVERY_LETTER:
            return read_facets(await self._handle.request("HGETALL", "facets"))
        return (await survey(self._handle, said)).facets

    async def get(self, job_id: str) -> DeadLetterDetail:
        """One letter with its traceback. Raises JobNotFoundError."""
        score, entry, value = await self._handle.pipeline(
            [("ZSCORE", "dead", job_id), ("HGET", "dj", job_id), ("HGET", "jobs", job_id)]
        )
        if score is None or entry is None:
            raise JobNotFoundError(f"no dead letter {job_id!r} in queue {self._handle.queue!r}")
        fingerprint = decode_dead_entry(entry)[1]
        traceback = await self._handle.request("HGET", "tb", fingerprint) if fingerprint else None
        return detail_of(_letter(Scored(int(float(score)), job_id, entry), entry), traceback, value)

    async def delete(self, selection: ReplaySelection) -> int:
        """Delete the letters that are dead now and meant; returns how many. Raises UsageError."""
        deleted = 0
        async for ids in self.select(selection, await self.range_now(selection)):
            deleted += int(await self._handle.run("delete_dead", *ids))
        return deleted

    async def select(self, selection: ReplaySelection, meant: Range) -> AsyncIterator[Sequence[str]]:
        """Ids of the letters that are meant and died in that range, oldest first, 1 to 1000 at a time.

        Given ids are passed on as they are: the scripts pass over those that are not dead.
        """
        if selection.ids:
            for i in range(0, len(selection.ids), CHUNK):
                yield selection.ids[i : i + CHUNK]
            return
        async for letters in self.sift(selection, meant, entries=selection.scans):
            yield [letter.id for letter in letters]

    async def sift(
        self, said: LetterFilter, meant: Range, *, entries: bool = True, at_once: int = CHUNK
    ) -> AsyncIterator[list[Scored]]:
        """The letters of a filter that died in that range, oldest first, 1 to `at_once` (at most 1000) at a time."""
        sieve, wanted = Sieve(self._handle, said), Wanted(said.task, said.reason, meant)
        while found := await read_page(self._handle, wanted, min(sieve.at_once, at_once), entries=entries):
            if kept := await sieve.keep(found):
                yield kept
            wanted = replace(wanted, range=wanted.range.after(found[-1].died_us))

    async def range_now(self, said: LetterFilter) -> Range:
        """The times of death that are meant, up to the latest there is."""
        return (await range_of(self._handle, said)).until(await self.newest_us())

    async def edit(self, job_id: str, change: Change, *, unchecked: bool = False) -> None:
        """Give a letter other arguments; see edit.py for what it raises."""
        from headrace.admin.edit import edit

        await edit(self._handle, job_id, change, unchecked=unchecked)

    async def newest_us(self) -> int:
        """When the latest letter died; 0 when there is none."""
        newest = await self._handle.request("ZREVRANGE", "dead", 0, 0, "WITHSCORES")
        return int(float(newest[1])) if newest else 0

    async def letters(self, ids: Sequence[str]) -> list[DeadLetter]:
        """Those of at most 1000 ids that are dead, in the order given."""
        if not ids:
            return []
        scores, entries = await self._handle.pipeline([("ZMSCORE", "dead", *ids), ("HMGET", "dj", *ids)])
        found = zip(ids, scores, entries, strict=True)
        return read_letters([Scored(int(float(score)), i, entry) for i, score, entry in found if score is not None])


def read_letters(found: Sequence[Scored]) -> list[DeadLetter]:
    """Those of them whose entry is there."""
    return [_letter(scored, scored.entry) for scored in found if scored.entry is not None]


def _letter(scored: Scored, entry: bytes) -> DeadLetter:
    name, _, record = decode_dead_entry(entry)
    facet = facet_named(name, 0)
    return DeadLetter(scored.id, facet.task, facet.reason, scored.died_us, record)


def detail_of(letter: DeadLetter, traceback: bytes | None, value: bytes | None) -> DeadLetterDetail:
    """With its traceback and the value of its job, as they are kept."""
    text = (traceback or b"").decode(errors="replace")
    try:
        stored = decode(value or b"")
    except UnreadableEnvelope:
        return DeadLetterDetail(letter, text, 0, None, "", {})
    envelope = stored.envelope
    return DeadLetterDetail(
        letter, text, stored.replays, envelope.enqueued_ms, envelope.correlation_id, dict(envelope.meta or {})
    )
