"""What is remembered of one Schedule between looks. Everything in it can be lost and found again."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

from headrace_operator.api.names import ScheduleKey
from headrace_operator.api.schedule import Schedule
from headrace_operator.api.schedule_status import RunNowStatus, ScheduleStatus
from headrace_operator.schedules.places import Place
from headrace_operator.seams.objects import Applied, Deleted, Refused, ScheduleChange


@dataclass(frozen=True)
class Left:
    """A record at a place where the Schedule no longer is."""

    place: Place
    since: float
    """Monotonic seconds."""
    gone: bool
    """The Schedule was deleted, so the record goes; else it stays, suspended: it may come back."""


@dataclass(eq=False)
class Entry:
    """Mutable, by its own Schedule's task alone; callbacks only leave `hear` and `wake` behind."""

    key: ScheduleKey
    schedule: Schedule | None = None
    """The last one that could be understood."""
    refused: Refused | None = None
    """Set while what stands there can't be."""
    deleted: bool = False
    resource_version: str = ""
    status: ScheduleStatus | None = None
    """The last one, written or not."""
    written: ScheduleStatus | None = None
    written_at: float | None = None
    """Unix seconds; None: not by us."""
    place: Place | None = None
    """Where its record is kept."""
    left: list[Left] = field(default_factory=list)
    """Records elsewhere that something is still to be done about."""
    left_again: float = 0.0
    """When that is tried again after it has failed, on the monotonic clock: it must not delay what is due."""
    visited: set[Place] = field(default_factory=set)
    """Where else there may be a record of it."""
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    _news: list[ScheduleChange] = field(default_factory=list)

    def hear(self, change: ScheduleChange) -> None:
        """Note what is told, for the next look."""
        self._news.append(change)
        self.wake.set()

    @property
    def has_news(self) -> bool:
        """Something was told since the last `take_in`."""
        return bool(self._news)

    @property
    def run_now(self) -> RunNowStatus | None:
        """The last run that was asked for."""
        return self.status.run_now if self.status else None

    def take_in(self) -> None:
        """Make what was told the state of things."""
        for change in self._news:
            match change:
                case Applied(schedule):
                    if self.schedule is None or self.schedule.metadata.uid != schedule.metadata.uid:
                        self._begin(schedule.status)
                    self.schedule, self.refused, self.deleted = schedule, None, False
                    self.resource_version = schedule.metadata.resource_version
                case Refused(resource_version=version):
                    self.refused, self.deleted = change, False
                    self.resource_version = version
                case Deleted():
                    self.deleted = True
                    self._end()
        self._news.clear()

    def move(self, place: Place) -> None:
        """Its record is kept there from now on; the one at the place before shall be at rest."""
        if self.place is not None and self.place != place:
            self.left.append(Left(self.place, time.monotonic(), gone=False))
        self.left = [one for one in self.left if one.place != place]
        self.place = place
        self.visited.add(place)

    def _begin(self, status: ScheduleStatus | None) -> None:
        """One that is new to this process, or that was deleted and made again."""
        self._end()
        self.status = self.written = status
        self.written_at = None

    def _end(self) -> None:
        """Every record of it is to go."""
        now = time.monotonic()
        kept = [one for one in self.left if one.gone]
        self.left = [*kept, *(Left(place, now, gone=True) for place in self.visited)]
        self.visited = set()
        self.place = None
