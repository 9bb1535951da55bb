"""A worker's own rate: a token bucket on its own stopwatch, shared by its queues. What it asked for and didn't get is
given back, so an empty queue costs nothing."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

from headrace.client.limits import default_burst


class Pace:
    """GCRA in seconds: `_tat` is when the bucket is full again."""

    def __init__(self, per_second: float, burst: int, clock: Callable[[], float] = monotonic) -> None:
        self._interval = 1 / per_second
        self._burst = burst
        self._clock = clock
        self._tat = clock()

    def take(self, wanted: int) -> int:
        """Take up to `wanted` starts; how many there were."""
        now = self._clock()
        self._tat = max(self._tat, now)
        # A millionth more, so that a wait of exactly one interval brings one in spite of rounding.
        allowed = int(self._burst - (self._tat - now) / self._interval + 1e-6)
        taken = max(0, min(wanted, allowed))
        self._tat += taken * self._interval
        return taken

    def give_back(self, count: int) -> None:
        """Starts that brought no job."""
        self._tat -= count * self._interval

    def wait(self) -> float:
        """Seconds until there is a start to take; 0: now."""
        return max(0.0, self._tat - (self._burst - 1) * self._interval - self._clock())


def pace_of(per_second: float) -> Pace | None:
    """None for 0: as fast as can be."""
    return Pace(per_second, default_burst(per_second)) if per_second else None
