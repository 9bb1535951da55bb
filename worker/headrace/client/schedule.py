"""When a periodic task is due: cron expressions and intervals, as pure functions of a time.

cronsim parses cron; it and zoneinfo are imported by the first expression, so whoever has none does not pay for them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING, Final

from headrace.errors import ConfigError

if TYPE_CHECKING:
    from cronsim import CronSim

NAMED: Final = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}


def tick_id(task: str, tick_ms: int) -> str:
    """The id of the job that is one tick of a task."""
    return f"tick:{task}:{tick_ms}"


@dataclass(frozen=True)
class Cron:
    """A cron expression in a time zone. Raises ConfigError for a wrong one, or one that is never due.

    A daylight-saving change, five fields: a task of fixed hours and minutes whose time is skipped runs right after the
    gap, and once where its time comes twice; one with `*` in either goes by real time. Six fields go by the wall
    clock: what does not exist is passed over, what comes twice runs twice.
    """

    expression: str
    tz: str = "UTC"
    _zone: tzinfo = field(init=False, repr=False, compare=False)
    _fields: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_zone", _zone(self.tz))
        object.__setattr__(self, "_fields", NAMED.get(self.expression.strip().lower(), self.expression))
        self._check()

    def _check(self) -> None:
        from cronsim import CronSimError

        try:
            self.next_after(0)
        except CronSimError as error:
            known = ", ".join(NAMED) if self.expression.strip().startswith("@") else "five fields, or six with seconds"
            raise ConfigError(f"cron {self.expression!r}: {str(error).lower()} (use {known})") from None
        except StopIteration:
            raise ConfigError(f"cron {self.expression!r}: is never due") from None

    @property
    def text(self) -> str:
        """What tells this schedule from others, for people too."""
        return f"cron {' '.join(self._fields.split())} {self.tz}"

    def next_after(self, ms: int) -> int:
        """The first tick later than `ms`; both Unix ms."""
        return next(tick for tick in self._ticks(ms) if tick > ms)

    def latest_until(self, ms: int) -> int:
        """The last tick that is not later than `ms`; both Unix ms."""
        latest = next(tick for tick in self._ticks(ms + 1000, back=True) if tick <= ms)
        while (following := self.next_after(latest)) <= ms:  # backwards, an hour that comes twice is passed over
            latest = following
        return latest

    def _ticks(self, ms: int, *, back: bool = False) -> Iterator[int]:
        from cronsim import CronSim

        start = datetime.fromtimestamp(ms // 1000, self._zone)
        simulated: CronSim = CronSim(self._fields, start, reverse=back)
        for tick in simulated:
            yield int(tick.timestamp()) * 1000


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


def _zone(name: str) -> tzinfo:
    if name == "UTC":
        return UTC
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # ZoneInfoNotFoundError is a KeyError; a directory's name an OSError
        raise ConfigError(f"cron: no time zone {name!r}; use an IANA name such as Europe/Berlin") from None
