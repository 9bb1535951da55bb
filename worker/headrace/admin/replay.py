"""Brings dead letters back to ready: a preview first, then in chunks under a request that can be resumed.

What a request may move is fixed in Redis when it is accepted and counted there in the step that moves, so a caller that
dies and comes back with the same request goes on where it was and never moves more than it was allowed.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from headrace.admin.dead_letters import DeadLetters
from headrace.admin.facets import bound_arguments, choice_arguments
from headrace.admin.handle import QueueHandle
from headrace.admin.paging import Range
from headrace.admin.proposal import ReplayPreview, Terms, check_digest, preview
from headrace.admin.replay_bounds import Guard, Pace
from headrace.admin.selection import ReplaySelection
from headrace.contract.protocol import CHUNK
from headrace.errors import SetChangedError, UsageError

if TYPE_CHECKING:
    from headrace.admin.standing import Standing

KEEP_MS: Final = 7 * 24 * 3600 * 1000
"""How long a request and its count are remembered after its last move, unless its caller says otherwise."""

_CALLED_OFF: Final = -2
_REQUEST = re.compile(r"[A-Za-z0-9._:-]{1,100}")


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
    left_out: int = 0
    """Letters that this call has passed over since they were replayed too often already."""
    stopped: str = ""
    """Why it has stopped itself."""
    since_us: int | None = None
    """Only letters that died then or later are moved, Unix µs."""
    keep_ms: int = KEEP_MS
    """How long it is remembered."""

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

    async def preview(
        self, selection: ReplaySelection, *, most: int | None = None, max_replays: int | None = None
    ) -> ReplayPreview:
        """Count what would be moved now, show the oldest few, and give the digest that approves it. Moves nothing.

        Raises UsageError.
        """
        return await preview(self._handle, self._dead_letters, selection, Terms(most, max_replays))

    async def replay(
        self,
        selection: ReplaySelection,
        *,
        request: str,
        most: int | None = None,
        until_us: int | None = None,
        rate: float | None = None,
        guard: float | None = None,
        max_replays: int | None = None,
        approve: str | None = None,
        proposed: int | None = None,
        keep_ms: int = KEEP_MS,
        on_progress: OnProgress | None = None,
    ) -> ReplayProgress:
        """Move the chosen letters to ready, oldest first; the same `request` again goes on where it was.

        `until_us` (Unix µs) defaults to the moment of acceptance, and the first call's stands; `most` bounds the
        letters moved over all restarts. `on_progress` is awaited after each chunk of at most 1000.

        `rate` is in letters per second. With a `guard`, a share above 0 up to 1, only the first few go at once, the
        others as those end; when that share of the last hundred to end is dead again, it stops itself. Such a replay
        takes as long as its jobs do.

        `max_replays`: letters that were replayed so often already stay; the first call's stands, too. `approve`: the
        digest of a preview of the same selection and bounds; the request is accepted only if the set is unchanged, and
        then runs to its end. `proposed`: the `most` of that preview, where this queue has less left of a bound that it
        shares with others. `keep_ms`: how long the request is remembered after its last move.

        Raises UsageError (a request of that name was accepted with another selection or bound, or was called off; rate
        or guard is wrong), SetChangedError, QueueUnavailableError (call again).
        """
        pace = Pace(rate)
        watch = None if guard is None else Guard(self._handle, guard)
        terms = Terms(most, max_replays)
        approval = (
            "" if approve is None else check_digest(approve),
            replace(terms, most=proposed or most).salt(selection),
        )
        progress = await self._accept(selection, request, terms, until_us, approval, keep_ms)
        meant = Range(progress.since_us, progress.until_us)
        async for chosen in self._dead_letters.select(selection, meant):
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
        moved, total, moved_ids, left_out = await self._handle.run("replay", request, progress.keep_ms, *ids)
        if moved == _CALLED_OFF:
            raise UsageError(f"replay request {request!r} was called off; start a new one")
        if moved < 0:
            raise UsageError(f"replay request {request!r} is no longer known; start a new one")
        pace.count(moved)
        if watch is not None:
            watch.count([job_id.decode() for job_id in moved_ids])
        died = 0 if watch is None else watch.died_again
        left_out += progress.left_out
        return replace(progress, moved=progress.moved + moved, total=total, died_again=died, left_out=left_out)

    async def _accept(
        self,
        selection: ReplaySelection,
        request: str,
        terms: Terms,
        until_us: int | None,
        approval: tuple[str, str],
        keep_ms: int,
    ) -> ReplayProgress:
        if not _REQUEST.fullmatch(request):
            raise UsageError(f"replay request {request!r}: use 1 to 100 letters, digits, '.', '_', ':' or '-'")
        accepted = await self._handle.run(
            "accept_replay",
            *(request, selection.digest, terms.most or 0, until_us or 0, keep_ms, terms.max_replays or 0),
            *bound_arguments(selection),
            *approval,
            *choice_arguments(selection),
        )
        if accepted[0] == b"changed":
            raise SetChangedError(approval[0], accepted[1].decode())
        digest, bound, until, total, since = accepted
        if digest.decode() != selection.digest or int(bound) != (terms.most or 0):
            raise UsageError(
                f"replay request {request!r} was accepted with another selection or bound; use another name"
            )
        since_us = int(float(since)) if since else None
        return ReplayProgress(request, 0, int(total), terms.most, int(float(until)), since_us=since_us, keep_ms=keep_ms)

    async def cancel(self, request: str, *, keep_ms: int = KEEP_MS) -> int | None:
        """Call a replay off for good, whoever carries it out: how many letters it has moved; None: it isn't known."""
        moved: int = await self._handle.run("cancel_replay", request, keep_ms)
        return None if moved < 0 else moved

    async def standing(self, selection: ReplaySelection, *, request: str) -> Standing | None:
        """How far a request is that was accepted with `selection`, and what it still may move; None: it isn't known.

        Raises UsageError.
        """
        from headrace.admin.standing import standing  # the operator's, never a command line's

        return await standing(self._handle, self._dead_letters, selection, request)
