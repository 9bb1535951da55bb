"""Looks through the dead letters and deletes them. Replaying them is replay.py's."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from headrace.admin.handle import QueueHandle
from headrace.admin.merging import Range, Scored, read_merged
from headrace.admin.selection import ReplaySelection
from headrace.contract.envelope import DeathRecord, UnreadableEnvelope, decode, decode_dead_entry
from headrace.contract.protocol import CHUNK
from headrace.errors import JobNotFoundError, UsageError


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
class Facet:
    """How many letters of one task died of one reason."""

    task: str
    reason: str
    count: int


@dataclass(frozen=True)
class Page:
    """Some letters; pass `cursor` to get those after them. None: there are no more."""

    letters: tuple[DeadLetter, ...]
    cursor: int | None


class DeadLetters:
    """The dead letters of one queue."""

    def __init__(self, handle: QueueHandle) -> None:
        self._handle = handle

    async def page(
        self,
        *,
        task: str | None = None,
        reason: str | None = None,
        cursor: int | None = None,
        limit: int = 100,
        newest_first: bool = False,
    ) -> Page:
        """Up to `limit` (1 to 1000) letters in order of death; letters that come or go never shift the pages.

        Raises UsageError.
        """
        if not 1 <= limit <= CHUNK:
            raise UsageError(f"limit {limit}: use 1 to {CHUNK}")
        wanted = Range(newest_first=newest_first).after(cursor)
        found = await read_merged(self._handle, await self.zsets(task, reason), wanted, limit)
        letters = await self._letters(found)
        return Page(tuple(letters), found[-1][0] if len(found) == limit else None)

    async def facets(self) -> tuple[Facet, ...]:
        """Counts by task and reason, the largest first."""
        reply = await self._handle.request("HGETALL", "facets")
        facets = [_facet(reply[i].decode(), int(reply[i + 1])) for i in range(0, len(reply), 2)]
        return tuple(sorted(facets, key=lambda facet: (-facet.count, facet.task, facet.reason)))

    async def get(self, job_id: str) -> DeadLetterDetail:
        """One letter with its traceback. Raises JobNotFoundError."""
        score, entry, value = await self._handle.pipeline(
            [("ZSCORE", "dead", job_id), ("HGET", "dj", job_id), ("HGET", "jobs", job_id)]
        )
        if score is None or entry is None:
            raise JobNotFoundError(f"no dead letter {job_id!r} in queue {self._handle.queue!r}")
        fingerprint = decode_dead_entry(entry)[1]
        traceback = await self._handle.request("HGET", "tb", fingerprint) if fingerprint else None
        return _detail(
            _letter((int(float(score)), job_id), entry),
            (traceback or b"").decode(errors="replace"),
            value,
        )

    async def delete(self, selection: ReplaySelection) -> int:
        """Delete the letters that are dead now and meant; returns how many. Raises UsageError."""
        deleted = 0
        async for ids in self.select(selection, until_us=await self.newest_us()):
            deleted += int(await self._handle.run("delete_dead", *ids))
        return deleted

    async def select(self, selection: ReplaySelection, *, until_us: int) -> AsyncIterator[Sequence[str]]:
        """Ids of the letters that are meant and died by `until_us`, oldest first, at most 1000 at a time.

        Given ids are passed on as they are: the scripts pass over those that are not dead.
        """
        if selection.ids:
            for i in range(0, len(selection.ids), CHUNK):
                yield selection.ids[i : i + CHUNK]
            return
        zsets = await self.zsets(selection.task, selection.reason)
        wanted = Range(selection.since_us, until_us)
        while found := await read_merged(self._handle, zsets, wanted, CHUNK):
            yield [job_id for _, job_id in found]
            wanted = wanted.after(found[-1][0])

    async def oldest(self, selection: ReplaySelection, limit: int) -> list[DeadLetter]:
        """The first few letters that a filter means."""
        zsets = await self.zsets(selection.task, selection.reason)
        return await self._letters(await read_merged(self._handle, zsets, Range(selection.since_us), limit))

    async def newest_us(self) -> int:
        """When the latest letter died; 0 when there is none."""
        newest = await self._handle.request("ZREVRANGE", "dead", 0, 0, "WITHSCORES")
        return int(float(newest[1])) if newest else 0

    async def zsets(self, task: str | None, reason: str | None) -> list[str]:
        """Names of the zsets that together hold the letters of that task and reason (None: any)."""
        if task is None and reason is None:
            return ["dead"]
        facets = await self.facets()
        return [
            f"dead:{facet.task}|{facet.reason}"
            for facet in facets
            if task in (None, facet.task) and reason in (None, facet.reason)
        ]

    async def letters(self, ids: Sequence[str]) -> list[DeadLetter]:
        """Those of at most 1000 ids that are dead, in the order given."""
        if not ids:
            return []
        scores = await self._handle.request("ZMSCORE", "dead", *ids)
        pairs = zip(ids, scores, strict=True)
        return await self._letters([(int(float(score)), i) for i, score in pairs if score is not None])

    async def _letters(self, found: Sequence[Scored]) -> list[DeadLetter]:
        if not found:
            return []
        entries = await self._handle.request("HMGET", "dj", *[job_id for _, job_id in found])
        # A letter without entry has been replayed or deleted since the first look.
        return [_letter(scored, entry) for scored, entry in zip(found, entries, strict=True) if entry is not None]


def _facet(name: str, count: int) -> Facet:
    task, _, reason = name.partition("|")
    return Facet(task, reason, count)


def _letter(scored: Scored, entry: bytes) -> DeadLetter:
    name, _, record = decode_dead_entry(entry)
    facet = _facet(name, 0)
    return DeadLetter(scored[1], facet.task, facet.reason, scored[0], record)


def _detail(letter: DeadLetter, traceback: str, value: Any) -> DeadLetterDetail:
    try:
        stored = decode(value or b"")
    except UnreadableEnvelope:
        return DeadLetterDetail(letter, traceback, 0, None, "", {})
    envelope = stored.envelope
    return DeadLetterDetail(
        letter, traceback, stored.replays, envelope.enqueued_ms, envelope.correlation_id, dict(envelope.meta or {})
    )
