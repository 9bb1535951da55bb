"""Carries out one accepted replay: counts, moves, reports progress, and waits out a Redis that is away.

What has been moved is kept in Redis under the request's id, so a run that is begun anew goes on where the last one was.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from headrace.admin.proposal import ReplayPreview
from headrace.admin.queue_admin import QueueAdmin
from headrace.admin.replay import ReplayProgress
from headrace.admin.selection import ReplaySelection, select
from headrace.admin.standing import Standing
from headrace.errors import HeadraceError, SetChangedError, UsageError
from headrace_operator.api.redact import redact
from headrace_operator.api.status import MESSAGE_LENGTH, ReplayStatus
from headrace_operator.core.clock import timestamp
from headrace_operator.core.replay_request import DIGESTS_JOINED_BY, ReplayPhase, ReplayRequest, without_values

log = logging.getLogger(__name__)

RETRY_BASE: Final = 0.5
RETRY_CAP: Final = 15.0
"""Seconds between attempts while Redis can't be reached, doubled from base to cap."""
KEEP_MS: Final = 366 * 24 * 3600 * 1000
"""How long Redis remembers a request: one that is kept in Git may come back after months, behind others."""
FINAL: Final = (ReplayPhase.COMPLETED, ReplayPhase.FAILED, ReplayPhase.CANCELLED, ReplayPhase.REFUSED)


def told(request: str) -> str:
    """An annotation's value for the status: without what it tells of payloads, and not too long."""
    return redact(without_values(request))[:MESSAGE_LENGTH]


def begin(
    request_id: str, request: str, phase: ReplayPhase, now: float, message: str | None = None, by: str | None = None
) -> ReplayStatus:
    """The first status of a request; for a refused one the last, too. What `request` tells of payloads is left out."""
    over = phase in FINAL
    return ReplayStatus(
        request_id=request_id,
        request=told(request),
        by=by,
        phase=phase,
        started_time=timestamp(now),
        finished_time=timestamp(now) if over else None,
        message=message and redact(message)[:MESSAGE_LENGTH],
    )


@dataclass(frozen=True)
class _Moved:
    """How far it is, over all queues."""

    total: int = 0
    left_out: int = 0
    stopped: str = ""
    """Why it has stopped itself, if it has."""


@dataclass(eq=False)
class ReplayRun:
    """One request on its way; `status` is what to report at any moment."""

    request: ReplayRequest | None
    """None: it is only there to be called off."""
    queues: Sequence[QueueAdmin]
    status: ReplayStatus
    changed: Callable[[], None]
    """Called after each change of `status`."""
    now: Callable[[], float]
    task: asyncio.Task[None] | None = field(default=None)
    ending: asyncio.Task[None] | None = field(default=None)
    """Calls it off."""
    _before: int = 0
    """Letters that the request had moved before its annotation came (again)."""

    async def run(self) -> None:
        """Until it is over, one way or another; a Redis that is away is waited for."""
        await self._patiently(self._attempt)

    async def call_off(self) -> None:
        """End it for good: in Redis, so that nobody goes on with it, then in the status."""
        if self.task is not None:
            self.task.cancel()
            await asyncio.wait({self.task})
        if self.status.phase not in FINAL:
            await self._patiently(self._call_off)

    async def _patiently(self, attempt: Callable[[], Awaitable[object]]) -> None:
        pause = RETRY_BASE
        while True:
            try:
                await attempt()
                return
            except UsageError as error:
                self._finish(ReplayPhase.FAILED, str(error))
                return
            except HeadraceError as error:
                self._say(message=redact(f"waiting for Redis: {error}")[:MESSAGE_LENGTH])
            except Exception as error:
                log.exception("replay %s failed", self.status.request_id)
                self._finish(ReplayPhase.FAILED, f"{type(error).__name__}: {error}")
                return
            await asyncio.sleep(pause)
            pause = min(pause * 2, RETRY_CAP)

    async def _call_off(self) -> None:
        moved = await self._close()
        self._say(replayed=moved)
        self._finish(ReplayPhase.CANCELLED, f"called off; {moved} were replayed")

    async def _attempt(self) -> None:
        request = self.request
        assert request is not None
        selection = select(request.filter, everything=request.everything, ids=request.ids)
        approved = self._approved()
        begun = [None if request.dry_run else await self._standing(queue, selection) for queue in self.queues]
        if any(one.called_off for one in begun if one):
            raise UsageError(f"replay request {self.status.request_id!r} has ended for good; use another name")
        found = [
            await queue.replays.preview(selection, most=request.most, max_replays=request.max_replays)
            for queue, standing in zip(self.queues, begun, strict=True)
            if standing is None
        ]
        if len(found) == len(self.queues):
            self._check_approval(approved, found)
        self._begin(found, [one for one in begun if one])
        if request.dry_run:
            digest = DIGESTS_JOINED_BY.join(preview.digest for preview in found)
            self._say(digest=digest)
            self._finish(ReplayPhase.COMPLETED, proposal(found, request.most, digest))
            return
        done = await self._move(selection, approved)
        said = f"replayed {done.total} of {self.status.matched} dead letters"
        if done.total == self._before != 0:
            said += ", all of them before; what has died since needs a request of another name"
        said += f"; {done.left_out} were replayed too often and stay" if done.left_out else ""
        if done.stopped:
            await self._patiently(self._close)
            self._finish(ReplayPhase.FAILED, f"{said}, then stopped: {done.stopped}")
            return
        self._finish(ReplayPhase.COMPLETED, said)

    async def _standing(self, queue: QueueAdmin, selection: ReplaySelection) -> Standing | None:
        return await queue.replays.standing(selection, request=self.status.request_id)

    async def _close(self) -> int:
        """See to it that nobody ever goes on with it; how many letters it has moved."""
        moved = [await queue.replays.cancel(self.status.request_id, keep_ms=KEEP_MS) for queue in self.queues]
        return sum(count or 0 for count in moved)

    def _begin(self, found: Sequence[ReplayPreview], begun: Sequence[Standing]) -> None:
        """Say what is meant, and how much of it was done before: by an operator that has died, or long ago."""
        assert self.request is not None
        earlier = sum(one.moved for one in begun)
        if self.status.phase == ReplayPhase.ACCEPTED:
            self._before = earlier
        self._say(
            phase=ReplayPhase.RUNNING,
            matched=sum(preview.count for preview in found) + sum(one.meant for one in begun),
            replayed=earlier,
            left_out=sum(preview.left_out or 0 for preview in found),
            dry_run=self.request.dry_run,
            message=f"goes on; {earlier} were replayed before" if earlier else None,
        )

    def _approved(self) -> list[str | None]:
        """The digest that each queue's letters must have. Raises UsageError."""
        approve = self.request.approve if self.request else None
        if approve is None:
            return [None] * len(self.queues)
        digests = approve.split(DIGESTS_JOINED_BY)
        if len(digests) != len(self.queues):
            raise UsageError(
                f"approve has {len(digests)} digests for {len(self.queues)} queues: give what a dry run has told"
            )
        return list(digests)

    def _check_approval(self, approved: Sequence[str | None], found: Sequence[ReplayPreview]) -> None:
        """All queues before any is touched; each is held to its digest again as it is accepted. Raises UsageError."""
        present = [preview.digest for preview in found]
        if approved[0] is not None and list(approved) != present:
            raise SetChangedError(*(DIGESTS_JOINED_BY.join(map(str, digests)) for digests in (approved, present)))

    async def _move(self, selection: ReplaySelection, approved: Sequence[str | None]) -> _Moved:
        """Queue after queue; the bound is shared, and each queue's part of it is the same in every attempt."""
        request, so_far = self.request, _Moved()
        assert request is not None
        for queue, digest in zip(self.queues, approved, strict=True):
            left = None if request.most is None else request.most - so_far.total
            if left == 0:
                break

            async def progress(at: ReplayProgress, before: _Moved = so_far) -> None:
                self._say(
                    replayed=max(self.status.replayed, before.total + at.total), left_out=before.left_out + at.left_out
                )

            done = await queue.replays.replay(
                selection,
                request=self.status.request_id,
                most=left,
                rate=request.rate,
                guard=request.guard,
                max_replays=request.max_replays,
                approve=digest,
                proposed=request.most,
                keep_ms=KEEP_MS,
                on_progress=progress,
            )
            so_far = _Moved(so_far.total + done.total, so_far.left_out + done.left_out, done.stopped)
            self._say(replayed=max(self.status.replayed, so_far.total), left_out=so_far.left_out)
            if so_far.stopped:
                break
        return so_far

    def stop(self, why: str) -> None:
        """End it early; what was moved stays moved."""
        for task in (self.task, self.ending):
            if task is not None:
                task.cancel()
        if self.status.phase not in FINAL:
            self._finish(ReplayPhase.FAILED, f"{why}; {self.status.replayed} were replayed")

    def _finish(self, phase: ReplayPhase, message: str) -> None:
        self._say(
            phase=phase,
            finished_time=timestamp(self.now()),
            message=redact(message)[:MESSAGE_LENGTH],
        )

    def _say(self, **changes: object) -> None:
        self.status = self.status.model_copy(update=changes)
        self.changed()


def proposal(found: Sequence[ReplayPreview], most: int | None, digest: str) -> str:
    """What a dry run tells."""
    count = sum(preview.count for preview in found)
    reasons: dict[str, int] = {}
    for preview in found:
        for reason, number in preview.by_reason.items():
            reasons[reason] = reasons.get(reason, 0) + number
    ranked = sorted(reasons.items(), key=lambda entry: (-entry[1], entry[0]))
    listed = ", ".join(f"{number} {reason}" for reason, number in ranked[:5])
    would = count - sum(preview.left_out or 0 for preview in found)
    would = would if most is None else min(would, most)
    said = f"would replay {would} of {count} dead letters" + (f": {listed}" if listed else "")
    said += ", without those replayed too often" if any(preview.left_out is None for preview in found) else ""
    return f"{said}; approve={digest} replays this set or nothing"
