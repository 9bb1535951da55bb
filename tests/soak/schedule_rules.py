"""What docs/schedules.md promises of ticks, written anew: which are owed, which of those run, which are missed.

Shares no code with headrace. Pure; times are Unix ms.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Final

from support import tick_ledger
from support.schedule_spec import Spec

SECOND, MINUTE, HOUR, DAY = 1000, 60_000, 3_600_000, 86_400_000
ON_TIME: Final = MINUTE
"""Until then a tick runs whatever `catchUp` says."""
ACTIVE_MOST: Final = 100
"""Of a Schedule's jobs that are not over, so many are known."""


class Fate(StrEnum):
    """Of a tick: exactly one."""

    JOB = "job"
    REPLACED = "replaced"
    """It was a job, which a later tick called off."""
    SKIPPED = "skipped"
    MISSED = "missed"
    NOT_OWED = "not owed"
    """It fell into a suspension, or before a change of the timing."""


class Mistake(StrEnum):
    """What may be wrong."""

    DUPLICATE = "duplicate"
    """A worker got a job that had not come back."""
    STRANGER = "stranger"
    """A job, or a call, of a tick that is not the next one to be dealt with."""
    HOLE = "hole"
    """A tick that nobody dealt with in time, or a job that no worker got."""
    SKIP = "wrong skip"
    MISS = "wrong miss"
    REPLACEMENT = "wrong replacement"
    COUNT = "wrong count"
    CLOCK = "wrong clock"


@dataclass(frozen=True)
class Owed:
    """Of the ticks that are owed at a look, all missed ones are older than those that run."""

    missed: tuple[int, ...]
    run: tuple[int, ...]


def share_out(ticks: Sequence[int], spec: Spec, now: int) -> Owed:
    """Whether each tick that is owed, oldest first, runs at a look at the time `now`, or is missed."""

    def in_time(tick: int) -> bool:
        return spec.deadline_s is None or now - tick <= spec.deadline_s * SECOND

    on_time = [tick for tick in ticks if in_time(tick) and now - tick <= ON_TIME]
    late = [tick for tick in ticks if in_time(tick) and now - tick > ON_TIME]
    made_up: list[int] = []
    if spec.catch_up == "Latest" and not on_time:
        made_up = late[-1:]
    elif spec.catch_up == "All":
        made_up = late[-spec.catch_up_max :]
    run = (*made_up, *on_time)
    return Owed(tuple(tick for tick in ticks if tick not in run), run)


class Calendar:
    """All ticks of one timing between two times."""

    def __init__(self, timing: tuple[str, str], begin: int, end: int) -> None:
        self._ticks = tick_ledger.ticks(*timing, begin, end)
        self._begin, self._end = begin, end

    def between(self, after: int, until: int) -> Sequence[int]:
        """Those in (after, until]."""
        assert self._begin <= after, "before the calendar begins"
        assert until <= self._end, "after the calendar ends"
        return self._ticks[bisect_right(self._ticks, after) : bisect_right(self._ticks, until)]

    def next(self, after: int) -> int:
        """The first one later than that; the calendar's end if there is none."""
        found = bisect_right(self._ticks, after)
        return self._ticks[found] if found < len(self._ticks) else self._end


@cache
def calendar(timing: tuple[str, str], begin: int, end: int) -> Calendar:
    """One walk over all minutes of the time between, for all Schedules of that timing."""
    return Calendar(timing, begin, end)
