"""Brings dead letters back to ready: a preview first, then in chunks under a request that can be resumed.

What a request may move is fixed in Redis when it is accepted and counted there in the step that moves, so a caller that
dies and comes back with the same request goes on where it was and never moves more than it was allowed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from headrace.admin.dead_letters import DeadLetter, DeadLetters, Facet, read_facets, read_letters, wanted_by
from headrace.admin.handle import QueueHandle
from headrace.admin.paging import decode_page
from headrace.admin.replay_bounds import Guard, Pace
from headrace.admin.selection import ReplaySelection
from headrace.contract.protocol import CHUNK
from headrace.errors import UsageError

KEEP_MS: Final = 7 * 24 * 3600 * 1000
"""How long a request and its count are remembered after its last move."""

SAMPLE: Final = 10
_REQUEST = re.compile(r"[A-Za-z0-9._:-]{1,100}")


@dataclass(frozen=True)
class ReplayPreview:
    """What a replay would move now."""

    count: int
    by_reason: Mapping[str, int]
    """Exception class → letters."""
    sample: tuple[DeadLetter, ...]
    """The oldest few."""


@dataclass(frozen=True)
class ReplayProgress:
    """Where a request stands."""

    request: str
    moved: int
    """Letters moved by this call."""
    total: int
    """Letters moved by this request since it was accepted, over all restarts."""
    most: int | None
    """The bound on `total`, as accepted."""
    until_us: int
    """Only letters that died by then are moved, Unix µs."""
    finished: bool = False
    died_again: int = 0
    """Letters moved by this call that were seen to die again; only where a guard looks."""
    stopped: str = ""
    """Why it has stopped itself."""

    @property
    def full(self) -> bool:
        """It has moved all that it may."""
        return self.most is not None and self.total >= self.most


OnProgress = Callable[[ReplayProgress], Awaitable[None]]


class Replays:
    """Replays of one queue's dead letters."""

    def __init__(self, handle: QueueHandle, dead_letters: DeadLetters) -> None:
        self._handle = handle
        self._dead_letters = dead_letters

    async def preview(self, selection: ReplaySelection) -> ReplayPreview:
        """Count what would be moved now, and show the oldest few. Moves nothing."""
        if selection.ids:
            return await self._preview_ids(selection)
        page, facets = await self._handle.run_then(
            "dead_page", wanted_by(selection).arguments(SAMPLE, entries=True), [("HGETALL", "facets")]
        )
        meant = [facet for facet in read_facets(facets) if selection.wants(facet.task, facet.reason)]
        counts = await self._count(meant, selection.since_us)
        return ReplayPreview(sum(counts.values()), counts, tuple(read_letters(decode_page(page))))

    async def _count(self, meant: Sequence[Facet], since_us: int | None) -> dict[str, int]:
        counts: Counter[str] = Counter()
        if since_us is None:
            numbers = [facet.count for facet in meant]
        else:
            numbers = await self._handle.pipeline(
                [("ZCOUNT", f"dead:{facet.task}|{facet.reason}", since_us, "+inf") for facet in meant]
            )
        for facet, number in zip(meant, numbers, strict=True):
            counts[facet.reason] += number
        return {reason: count for reason, count in counts.most_common() if count}

    async def _preview_ids(self, selection: ReplaySelection) -> ReplayPreview:
        counts: Counter[str] = Counter()
        sample: list[DeadLetter] = []
        async for ids in self._dead_letters.select(selection, until_us=0):
            letters = await self._dead_letters.letters(list(dict.fromkeys(ids)))
            counts.update(letter.reason for letter in letters)
            sample = (sample + letters)[:SAMPLE]
        return ReplayPreview(counts.total(), dict(counts.most_common()), tuple(sample))

    async def replay(
        self,
        selection: ReplaySelection,
        *,
        request: str,
        most: int | None = None,
        until_us: int | None = None,
        rate: float | None = None,
        guard: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> ReplayProgress:
        """Move the chosen letters to ready, oldest first; the same `request` again goes on where it was.

        `until_us` (Unix µs) defaults to the moment of acceptance, and the first call's stands; `most` bounds the
        letters moved over all restarts. `on_progress` is awaited after each chunk of at most 1000.

        `rate` is in letters per second. With a `guard`, a share above 0 up to 1, only the first few go at once, the
        others as those end; when that share of the last hundred to end is dead again, it stops itself. Such a replay
        takes as long as its jobs do.

        Raises UsageError (a request of that name was accepted with another selection or bound, rate or guard is wrong),
        QueueUnavailableError (call again).
        """
        pace = Pace(rate)
        watch = None if guard is None else Guard(self._handle, guard)
        progress = await self._accept(selection, request, most, until_us)
        async for chosen in self._dead_letters.select(selection, until_us=progress.until_us):
            left = chosen
            while left and not progress.full:
                room = CHUNK if watch is None else await watch.room()
                if isinstance(room, str):
                    return replace(progress, stopped=room, died_again=watch.died_again if watch else 0)
                await pace.wait()
                size = min(room, pace.most)
                progress = await self._move(progress, left[:size], pace, watch)
                left = left[size:]
                if on_progress is not None:
                    await on_progress(progress)
            if progress.full:
                break
        return replace(progress, finished=True)

    async def _move(
        self, progress: ReplayProgress, ids: Sequence[str], pace: Pace, watch: Guard | None
    ) -> ReplayProgress:
        request = progress.request
        moved, total, moved_ids = await self._handle.run("replay", request, KEEP_MS, *ids)
        if moved < 0:
            raise UsageError(f"replay request {request!r} is no longer known; start a new one")
        pace.count(moved)
        if watch is not None:
            watch.count([job_id.decode() for job_id in moved_ids])
        died = 0 if watch is None else watch.died_again
        return replace(progress, moved=progress.moved + moved, total=total, died_again=died)

    async def _accept(
        self, selection: ReplaySelection, request: str, most: int | None, until_us: int | None
    ) -> ReplayProgress:
        if not _REQUEST.fullmatch(request):
            raise UsageError(f"replay request {request!r}: use 1 to 100 letters, digits, '.', '_', ':' or '-'")
        if most is not None and most < 1:
            raise UsageError(f"a replay of at most {most} letters moves nothing: use 1 or more")
        digest, bound, until, total = await self._handle.run(
            "accept_replay", request, selection.digest, most or 0, until_us or 0, KEEP_MS
        )
        if digest.decode() != selection.digest or int(bound) != (most or 0):
            raise UsageError(
                f"replay request {request!r} was accepted with another selection or bound; use another name"
            )
        return ReplayProgress(request, 0, int(total), most, int(float(until)))

    async def progress(self, request: str) -> int | None:
        """How many letters the request has moved; None when it was never accepted or is forgotten (after 7 days)."""
        total = await self._handle.request("HGET", f"replay:{request}", "replayed")
        return None if total is None else int(total)
