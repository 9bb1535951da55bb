"""Carries out one accepted replay: counts, moves, reports progress, and waits out a Redis that is away.

What has been moved is kept in Redis under the request's id, so a run that is begun anew goes on where the last one was.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from headrace.admin.proposal import ReplayPreview
from headrace.admin.queue_admin import QueueAdmin
from headrace.admin.replay import ReplayProgress
from headrace.admin.selection import ReplaySelection
from headrace.errors import HeadraceError, UsageError
from headrace_operator.api.redact import redact
from headrace_operator.api.status import MESSAGE_LENGTH, ReplayStatus
from headrace_operator.core.clock import timestamp
from headrace_operator.core.replay_request import ReplayPhase, ReplayRequest

log = logging.getLogger(__name__)

RETRY_BASE: Final = 0.5
RETRY_CAP: Final = 15.0
"""Seconds between attempts while Redis can't be reached, doubled from base to cap."""
FINAL: Final = (ReplayPhase.COMPLETED, ReplayPhase.FAILED, ReplayPhase.REFUSED)


def begin(request_id: str, request: str, phase: ReplayPhase, now: float, message: str | None = None) -> ReplayStatus:
    """The first status of a request; for a refused one the last, too."""
    over = phase in FINAL
    return ReplayStatus(
        request_id=request_id,
        request=redact(request)[:MESSAGE_LENGTH],
        phase=phase,
        started_time=timestamp(now),
        finished_time=timestamp(now) if over else None,
        message=message and redact(message)[:MESSAGE_LENGTH],
    )


@dataclass(eq=False)
class ReplayRun:
    """One request on its way; `status` is what to report at any moment."""

    request: ReplayRequest
    queues: Sequence[QueueAdmin]
    status: ReplayStatus
    changed: Callable[[], None]
    """Called after each change of `status`."""
    now: Callable[[], float]
    task: asyncio.Task[None] | None = field(default=None)

    async def run(self) -> None:
        """Until it is over, one way or another; a Redis that is away is waited for."""
        pause = RETRY_BASE
        while True:
            try:
                await self._attempt()
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

    async def _attempt(self) -> None:
        selection = ReplaySelection(
            everything=self.request.everything,
            ids=self.request.ids,
            task=self.request.task,
            reason=self.request.reason,
        )
        found = [await queue.replays.preview(selection) for queue in self.queues]
        before = 0
        for queue in self.queues:
            before += await queue.replays.progress(self.status.request_id) or 0
        matched = sum(preview.count for preview in found) + before
        self._say(phase=ReplayPhase.RUNNING, matched=matched, dry_run=self.request.dry_run, message=None)
        if self.request.dry_run:
            self._finish(ReplayPhase.COMPLETED, proposal(found, self.request.most))
            return
        moved, stopped = await self._move(selection)
        if stopped:
            self._finish(ReplayPhase.FAILED, f"replayed {moved} of {matched} dead letters, then stopped: {stopped}")
            return
        self._finish(ReplayPhase.COMPLETED, f"replayed {moved} of {matched} dead letters")

    async def _move(self, selection: ReplaySelection) -> tuple[int, str]:
        """Queue after queue; the bound is shared, and each queue's part of it is the same in every attempt.

        How many were moved, and why it has stopped itself, if it has.
        """
        moved = 0
        for queue in self.queues:
            left = None if self.request.most is None else self.request.most - moved
            if left == 0:
                break
            so_far = moved

            async def progress(at: ReplayProgress, so_far: int = so_far) -> None:
                self._say(replayed=so_far + at.total)

            done = await queue.replays.replay(
                selection,
                request=self.status.request_id,
                most=left,
                rate=self.request.rate,
                guard=self.request.guard,
                on_progress=progress,
            )
            moved += done.total
            self._say(replayed=moved)
            if done.stopped:
                return moved, done.stopped
        return moved, ""

    def stop(self, why: str) -> None:
        """End it early; what was moved stays moved."""
        if self.task is not None:
            self.task.cancel()
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


def proposal(found: Sequence[ReplayPreview], most: int | None) -> str:
    """What a dry run tells."""
    count = sum(preview.count for preview in found)
    reasons: dict[str, int] = {}
    for preview in found:
        for reason, number in preview.by_reason.items():
            reasons[reason] = reasons.get(reason, 0) + number
    ranked = sorted(reasons.items(), key=lambda entry: (-entry[1], entry[0]))
    listed = ", ".join(f"{number} {reason}" for reason, number in ranked[:5])
    would = count if most is None else min(count, most)
    return f"would replay {would} of {count} dead letters" + (f": {listed}" if listed else "")
