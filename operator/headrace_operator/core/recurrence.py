"""When a Schedule is due, and which of the ticks that it owes are to be fired: pure decisions about times in Unix ms.

What daylight saving does to a tick is said in headrace/cron.py, which workers' own cron tasks keep to as well.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice, takewhile
from typing import Final

from headrace.cron import Cron
from headrace.errors import ConfigError

ON_TIME_MS: Final = 60_000
"""A tick no later than this is on time whatever is caught up: a change of leaders makes no hole."""
MOST: Final = 1000
"""Ticks that one decision fires at most."""
COUNTED: Final = 5000
"""Ticks that one decision looks at, one by one; of those before it is only said that there are more."""


@dataclass(frozen=True)
class Recurrence:
    """A cron expression in a time zone, made by `parse`."""

    expression: str
    zone: str
    cron: Cron

    @property
    def timing(self) -> str:
        """Tells whether the ticks are those of another recurrence: `@daily` and `0 0 * * *` are one."""
        return hashlib.sha256(self.cron.text.encode()).hexdigest()[:16]

    def next_after(self, ms: int) -> int | None:
        """The first tick later than `ms`; None when there is none within fifty years."""
        return next(self.cron.ticks_after(ms), None)

    def describe(self) -> str:
        """In English: `At 09:00 on Monday through Friday, Europe/Berlin time`."""
        return f"{self.cron.describe()}, {self.zone}" + ("" if self.zone == "UTC" else " time")


def parse(expression: str, zone: str = "UTC") -> Recurrence:
    """Five fields, six with seconds in front, or `@daily` and its like, in an IANA time zone.

    Raises ConfigError, one line that says what is wrong: the expression, the zone, or that it is never due.
    """
    expression, zone = expression.strip(), zone.strip()
    if not expression.isascii():
        raise ConfigError(f"cron {expression!r}: use five fields, or six with seconds, in plain letters and digits")
    return Recurrence(expression, zone, Cron(expression, zone))


class CatchUp(StrEnum):
    """What becomes of ticks that are late: no longer on time, and not past their deadline."""

    NONE = "None"
    LATEST = "Latest"
    ALL = "All"


@dataclass(frozen=True)
class Lateness:
    """How late a tick may be fired, and how many late ones. Raises ConfigError."""

    catch_up: CatchUp = CatchUp.NONE
    most: int = 10
    """Of ALL: late ticks that one decision fires, the newest."""
    deadline_ms: int | None = None
    """Nothing later than this is fired, be it on time; None: no bound."""

    def __post_init__(self) -> None:
        if not 1 <= self.most <= MOST:
            raise ConfigError(f"catch up: at most 1 to {MOST} ticks, got {self.most}")
        if self.deadline_ms is not None and self.deadline_ms < 0:
            raise ConfigError(f"starting deadline: must not be negative, got {self.deadline_ms / 1000:g} seconds")


@dataclass(frozen=True)
class Due:
    """What to do with the ticks that are owed. Missed ones are all earlier than those to fire."""

    fire: tuple[int, ...]
    """Oldest first."""
    missed: int
    more_missed: bool
    """There were more than were counted."""
    missed_until: int | None
    """The last of them."""
    next_ms: int | None
    """The first tick that is still to come."""


def due(recurrence: Recurrence, *, after_ms: int, now_ms: int, lateness: Lateness) -> Due:
    """Which of the ticks in (after_ms, now_ms] to fire, and which are missed.

    Looks at COUNTED ticks and a few more than it may fire, however long nobody has looked.
    """
    counted, more, kept = _owed(recurrence, after_ms, now_ms)
    fire = _chosen(kept, now_ms, lateness)
    gone = kept[: len(kept) - len(fire)]
    until = gone[-1] if gone else None
    return Due(fire, counted - len(fire), more, until, recurrence.next_after(max(now_ms, after_ms)))


def _owed(recurrence: Recurrence, after_ms: int, now_ms: int) -> tuple[int, bool, list[int]]:
    """How many were counted, whether there are more than that, and the newest of them."""
    first = list(islice(_between(recurrence, after_ms, now_ms), COUNTED))
    if len(first) < COUNTED:
        return len(first), False, first
    shortly = recurrence.cron.before(now_ms + 1000, MOST + 1)  # a second more: it may fall between two ticks
    newest = list(_between(recurrence, max(shortly, first[-1]), now_ms))
    return COUNTED + len(newest), shortly > first[-1], [*first, *newest]


def _between(recurrence: Recurrence, after_ms: int, now_ms: int) -> Iterator[int]:
    return takewhile(lambda tick: tick <= now_ms, recurrence.cron.ticks_after(after_ms))


def _chosen(owed: list[int], now_ms: int, lateness: Lateness) -> tuple[int, ...]:
    deadline = lateness.deadline_ms
    alive = [tick for tick in owed if deadline is None or now_ms - tick <= deadline]
    on_time = [tick for tick in alive if now_ms - tick <= ON_TIME_MS]
    late = alive[: len(alive) - len(on_time)]
    match lateness.catch_up:
        case CatchUp.NONE:
            late = []
        case CatchUp.LATEST:
            late = [] if on_time else late[-1:]
        case CatchUp.ALL:
            late = late[-lateness.most :]
    return tuple([*late, *on_time][-MOST:])
