"""When a cron expression is due in a time zone: pure functions of a time, for workers and the operator alike.

cronsim parses it; it and zoneinfo are imported by the first expression, so whoever has none does not pay for them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from itertools import islice
from typing import Final

from headrace.errors import ConfigError

NAMED: Final = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}

_RANGES: Final = {
    "second": (0, 59),
    "minute": (0, 59),
    "hour": (0, 23),
    "day-of-month": (1, 31),
    "month": (1, 12),
    "day-of-week": (0, 7),
}
"""What plain numbers may be, by field, as cronsim has it."""


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
            problem = _problem(self._fields) or str(error).lower()
            raise ConfigError(f"cron {self.expression!r}: {problem}") from None
        except StopIteration:
            raise ConfigError(f"cron {self.expression!r}: is never due") from None

    @property
    def text(self) -> str:
        """What tells this schedule from others, for people too."""
        return f"cron {' '.join(self._fields.split())} {self.tz}"

    def next_after(self, ms: int) -> int:
        """The first tick later than `ms`; both Unix ms."""
        return next(self.ticks_after(ms))

    def ticks_after(self, ms: int) -> Iterator[int]:
        """All ticks later than `ms`, in order, each once: two times that a gap skips may both run right after it."""
        for tick in self._ticks(ms):
            if tick > ms:
                yield tick
                ms = tick

    def latest_until(self, ms: int) -> int:
        """The last tick that is not later than `ms`; both Unix ms."""
        latest = next(tick for tick in self._ticks(ms + 1000, back=True) if tick <= ms)
        while (following := self.next_after(latest)) <= ms:  # backwards, an hour that comes twice is passed over
            latest = following
        return latest

    def before(self, ms: int, count: int) -> int:
        """A time with at least so many ticks between it and `ms`, and not many more; 0 if there are fewer."""
        return next(islice(self._ticks(ms, back=True), count, None), 0)

    def describe(self) -> str:
        """In English, without the zone."""
        from cronsim import CronSim

        return CronSim(self._fields, datetime(2000, 1, 1)).explain()

    def _ticks(self, ms: int, *, back: bool = False) -> Iterator[int]:
        from headrace.cron_walk import CronWalk

        start = datetime.fromtimestamp(ms // 1000, self._zone)
        for tick in CronWalk(self._fields, start, reverse=back):
            yield int(tick.timestamp()) * 1000


def _problem(fields: str) -> str:
    """What is wrong with an expression that can't be read, where that is plain to see."""
    given = fields.split()
    if fields.strip().startswith("@"):
        return f"is no name of a schedule (use {', '.join(NAMED)})"
    if len(given) not in (5, 6):
        return "wrong number of fields (use five fields, or six with seconds)"
    for name, text in zip(list(_RANGES)[-len(given) :], given, strict=True):
        least, most = _RANGES[name]
        for term in text.split(","):
            if "?" in term:
                return f"{name}: ? is not known here, write *"
            numbers = term.partition("/")[0].split("-")
            if all(number.isascii() and number.isdigit() for number in numbers):
                for number in numbers:
                    if not least <= int(number[:9]) <= most:
                        return f"{name}: {number} is not within {least}-{most}"
    return ""


def _zone(name: str) -> tzinfo:
    if name == "UTC":
        return UTC
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # ZoneInfoNotFoundError is a KeyError; a directory's name an OSError
        raise ConfigError(f"cron: no time zone {name!r}; use an IANA name such as Europe/Berlin") from None
