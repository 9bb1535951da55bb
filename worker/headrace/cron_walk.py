"""cronsim, walking up to a change of the clocks instead of over it. Imported by the first cron expression.

cronsim goes by full hours and minutes of real time; where clocks change by half an hour (Lord Howe) it would land
beside the hours that it looks for, and leave out times that exist.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cronsim import CronSim


class CronWalk(CronSim):
    """Forwards; backwards it is cronsim's own."""

    def tick(self, seconds: int = 1) -> None:
        before = self.dt
        super().tick(seconds)
        if self.tick_direction == 1 and seconds > 1 and self.dt.utcoffset() != before.utcoffset():
            self.dt = _change_between(before.astimezone(UTC), self.dt)

    def advance_hour(self) -> bool:
        if self.dt.hour in self.hours:
            return False
        self.dt = self.dt.replace(minute=0, second=0)
        while self.dt.hour not in self.hours:
            self.tick(3600 - 60 * self.dt.minute)
            if self.dt.hour == 0:
                break
        return True


def _change_between(low: datetime, after: datetime) -> datetime:
    """The first second later than `low` (UTC) with the offset of `after`: the change, or `after` itself where there is
    none, as when it was counted from a time that doesn't exist."""
    high = after.astimezone(UTC)
    if low.astimezone(after.tzinfo).utcoffset() == after.utcoffset():
        return after
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=(high - low) // timedelta(seconds=2))
        if middle.astimezone(after.tzinfo).utcoffset() == after.utcoffset():
            high = middle
        else:
            low = middle
    return high.astimezone(after.tzinfo)
