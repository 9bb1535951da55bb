"""When a cron expression is due, worked out the slow way: every minute of UTC is looked at by its wall time, but for
quarters of an hour none of whose minutes are named.

Shares nothing with what it judges: no cron library, no code of headrace. Knows numbers, lists, ranges, steps, `*`, the
names of weekdays, and `L` for a month's last day. Zones whose clocks change at other times than full quarters of an
hour are beyond it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo

DAYS: Final = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
QUARTER: Final = 15
NAMED: Final = {"@hourly": "0 * * * *", "@daily": "0 0 * * *", "@weekly": "0 0 * * 0", "@monthly": "0 0 1 * *"}


def _values(field: str, low: int, high: int) -> frozenset[int]:
    found: set[int] = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        first, _, last = ("0" if span == "*" else span).partition("-")
        begin = low if span == "*" else int(first)
        end = high if span == "*" or (step and not last) else int(last or first)
        found.update(range(begin, end + 1, int(step or 1)))
    return frozenset(found)


@dataclass(frozen=True)
class Expression:
    """A cron expression, taken apart."""

    seconds: frozenset[int]
    times: frozenset[int]
    """Minutes of the day."""
    fixed: bool
    """Debian's rules for a change of the clocks hold: five fields, no `*` in front of hours and minutes."""
    _dom: str
    _month: str
    _dow: str

    def on(self, day: date) -> bool:
        if day.month not in _values(self._month, 1, 12):
            return False
        last = (day + timedelta(days=1)).day == 1
        by_dom = last if self._dom == "L" else day.day in _values(self._dom, 1, 31)
        by_dow = day.isoweekday() % 7 in {one % 7 for one in _values(self._dow, 0, 6)}
        either = self._dom.startswith("*") or self._dow.startswith("*")
        return (by_dom and by_dow) if either else (by_dom or by_dow)


def take_apart(expression: str) -> Expression:
    fields = NAMED.get(expression, expression).split()
    five = len(fields) == 5
    second, minute, hour, dom, month, dow = ["0", *fields] if five else fields
    for number, name in enumerate(DAYS):
        dow = dow.replace(name, str(number))
    times = frozenset(60 * h + m for h in _values(hour, 0, 23) for m in _values(minute, 0, 59))
    fixed = five and not minute.startswith("*") and not hour.startswith("*")
    return Expression(_values(second, 0, 59), times, fixed, dom, month, dow)


@cache
def _offsets(zone: str, first: int, last: int) -> tuple[int, ...]:
    """How far the wall is ahead of UTC, minutes, for each quarter of an hour from first to last, minutes since 1970."""
    place = ZoneInfo(zone)

    def ahead(minute: int) -> int:
        offset = datetime.fromtimestamp(minute * 60, place).utcoffset()
        assert offset is not None
        return round(offset.total_seconds() / 60)

    return tuple(ahead(minute) for minute in range(first, last + QUARTER, QUARTER))


def ticks(expression: str, zone: str, after_ms: int, until_ms: int) -> list[int]:
    """All ticks in (after_ms, until_ms], Unix ms."""
    wanted = take_apart(expression)
    found = (
        minute * 60_000 + second * 1000
        for minute in _minutes(wanted, zone, after_ms // 60_000, until_ms // 60_000)
        for second in sorted(wanted.seconds)
    )
    return [tick for tick in found if after_ms < tick <= until_ms]


def _minutes(wanted: Expression, zone: str, first: int, last: int) -> Iterator[int]:
    begin = first - first % QUARTER - 24 * 60
    offsets = _offsets(zone, begin, last)
    day_is_right = cache(lambda number: wanted.on(date(1970, 1, 1) + timedelta(days=number)))

    def due(wall: int) -> bool:
        return wall % 1440 in wanted.times and day_is_right(wall // 1440)

    quarters = {time // QUARTER for time in wanted.times}
    before, ambiguous_until = offsets[0], begin
    for number, offset in enumerate(offsets):
        begins = begin + number * QUARTER
        skipped = range(begins + before, begins + offset)
        if offset < before:
            ambiguous_until = begins + before - offset
        before = offset
        if not skipped and (begins + offset) % 1440 // QUARTER not in quarters:
            continue
        for minute in range(max(begins, first), min(begins + QUARTER, last + 1)):
            if not wanted.fixed:
                if due(minute + offset):
                    yield minute
            elif (minute == begins and any(map(due, skipped))) or (due(minute + offset) and minute >= ambiguous_until):
                yield minute
