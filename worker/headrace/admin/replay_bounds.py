"""How fast a replay may go, and when it stops itself: a rate, and a guard against replaying what dies again.

Both hold for one run of a replay; what the request may move at most is counted in Redis.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from time import monotonic
from typing import Final

from headrace.admin.handle import QueueHandle
from headrace.contract.protocol import CHUNK
from headrace.errors import UsageError

LEAST: Final = 20
"""Letters that a guarded replay moves first; once so many have ended it goes on, or not."""
LATEST: Final = 100
"""Of those that ended last, the share that died again is taken."""
STEP: Final = 100
"""Most letters that a guarded replay moves between two looks."""
WINDOW: Final = 1000
"""Most letters of a guarded replay that wait or run at a time."""
LOOK_EVERY: Final = 0.25
"""Seconds."""
PATIENCE: Final = 3600.0
"""Seconds without any end of a replayed job after which a guarded replay stops."""
_DIED: Final = 1


class Pace:
    """Lets letters go at a rate, a second's tenth at a time; None: at once."""

    def __init__(self, rate: float | None) -> None:
        """rate: letters per second. Raises UsageError."""
        if rate is not None and not 0 < rate < float("inf"):
            raise UsageError(f"a rate of {rate:g} letters per second: use a number above 0")
        self._rate = rate
        self._next = 0.0

    @property
    def most(self) -> int:
        """Letters that may go in one step."""
        return CHUNK if self._rate is None else max(1, min(CHUNK, int(self._rate / 10)))

    async def wait(self) -> None:
        """Until the next step may go."""
        if (left := self._next - monotonic()) > 0:
            await _sleep(left)

    def count(self, moved: int) -> None:
        """So many went."""
        if self._rate is not None:
            self._next = max(self._next, monotonic()) + moved / self._rate


class Guard:
    """Watches what becomes of the letters that one run has moved."""

    def __init__(self, handle: QueueHandle, share: float, patience: float = PATIENCE) -> None:
        """share: above 0, up to 1; it stops when so many of the jobs that ended last died again. Raises UsageError."""
        if not 0 < share <= 1:
            raise UsageError(f"a guard of {share:g}: use a share above 0, up to 1, of jobs that die again")
        self.died_again = 0
        self._handle = handle
        self._share = share
        self._patience = patience
        self._moved = 0
        self._under_way: list[str] = []
        self._latest: deque[bool] = deque(maxlen=LATEST)
        self._last_end = monotonic()

    def count(self, moved: Sequence[str]) -> None:
        """These went."""
        self._moved += len(moved)
        self._under_way += moved

    async def room(self) -> int | str:
        """How many may go next, as soon as any may; or why none may any more.

        The first LEAST go unjudged, in however many steps: of fewer, one that is dead again would be a large share.
        """
        if self._moved < LEAST:
            return LEAST - self._moved
        while True:
            await self._look()
            enough = self._moved - len(self._under_way) >= LEAST
            if enough and (why := verdict(self._latest, self._share)) is not None:
                return why
            if enough and (free := WINDOW - len(self._under_way)) > 0:
                return min(STEP, free)
            if monotonic() - self._last_end > self._patience:
                return (
                    f"none of the {len(self._under_way)} replayed jobs under way has ended for {self._patience:g} s: "
                    "are there workers?"
                )
            await _sleep(LOOK_EVERY)

    async def _look(self) -> None:
        if not self._under_way:
            return
        fates = await self._handle.run("died_again", *self._under_way)
        ended = [fate == _DIED for fate in fates if fate]
        self._under_way = [job_id for job_id, fate in zip(self._under_way, fates, strict=True) if not fate]
        if ended:
            self._latest += ended
            self.died_again += sum(ended)
            self._last_end = monotonic()


def verdict(latest: Sequence[bool], share: float) -> str | None:
    """Of the jobs that ended last, whether each died again: why to stop, or None. Pure."""
    died = sum(latest)
    if not latest or died < share * len(latest):
        return None
    return f"of the last {len(latest)} replayed jobs that ended {died} are dead again"


async def _sleep(seconds: float) -> None:
    import asyncio  # a dry run does without it

    await asyncio.sleep(seconds)
