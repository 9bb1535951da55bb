"""When a periodic task is due: cron expressions and intervals, as pure functions of a time."""

from __future__ import annotations

from dataclasses import dataclass

from headrace.cron import Cron
from headrace.errors import ConfigError


def tick_id(task: str, tick_ms: int) -> str:
    """The id of the job that is one tick of a task."""
    return f"tick:{task}:{tick_ms}"


@dataclass(frozen=True)
class Every:
    """An interval: due at its multiples since 1970 in UTC, the same for all workers. Raises ConfigError."""

    seconds: float

    def __post_init__(self) -> None:
        if not 1 <= self.seconds <= 366 * 24 * 3600:
            raise ConfigError(f"every: must be 1 second to 366 days, got {self.seconds:g} seconds")

    @property
    def text(self) -> str:
        """What tells this schedule from others, for people too."""
        return f"every {self.seconds:.15g}"

    def next_after(self, ms: int) -> int:
        """The first tick later than `ms`; both Unix ms."""
        return self.latest_until(ms) + self._ms

    def latest_until(self, ms: int) -> int:
        """The last tick that is not later than `ms`; both Unix ms."""
        return ms - ms % self._ms

    @property
    def _ms(self) -> int:
        return round(self.seconds * 1000)


Schedule = Cron | Every
