"""K2: which ticks a Schedule owes, fires and misses, and what it says in English; daylight saving: test_schedule.py."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.errors import ConfigError
from headrace_operator.core.recurrence import (
    COUNTED,
    MOST,
    ON_TIME_MS,
    CatchUp,
    Due,
    Lateness,
    Recurrence,
    due,
    parse,
)

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
NOON = int(datetime(2026, 6, 1, 12, tzinfo=ZoneInfo("UTC")).timestamp() * 1000)
NONE, LATEST, ALL = Lateness(), Lateness(CatchUp.LATEST), Lateness(CatchUp.ALL, most=100)
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Santiago")
EXPRESSIONS = (
    "*/7 * * * *",
    "0 * * * *",
    "30 1,2,3 * * *",
    "15,30 2 * * *",
    "0 0 * * *",
    "*/20 2 * * SUN",
    "0 9 * * MON-FRI",
    "0 0 L * *",
    "30 0 * * 0",
    "*/30 * * * * *",
    "0 30 2 * * *",
)


def hourly(zone: str = "UTC") -> Recurrence:
    return parse("@hourly", zone)


@pytest.mark.parametrize(
    ("late", "lateness", "fire", "missed"),
    [
        (0, NONE, [0], 0),
        (ON_TIME_MS, NONE, [0], 0),
        (ON_TIME_MS + 1, NONE, [], 1),
        (ON_TIME_MS + 1, LATEST, [0], 0),
        (3 * HOUR + 5 * MINUTE, NONE, [], 4),
        (3 * HOUR + 5 * MINUTE, LATEST, [3], 3),
        (3 * HOUR + 5 * MINUTE, ALL, [0, 1, 2, 3], 0),
        (3 * HOUR + 5 * MINUTE, Lateness(CatchUp.ALL, most=2), [2, 3], 2),
        (3 * HOUR, LATEST, [3], 3),
        (3 * HOUR, NONE, [3], 3),
        (3 * HOUR, Lateness(CatchUp.ALL, most=1), [2, 3], 2),
        (3 * HOUR + 5 * MINUTE, Lateness(CatchUp.ALL, deadline_ms=HOUR + 5 * MINUTE), [2, 3], 2),
        (3 * HOUR + 5 * MINUTE, Lateness(CatchUp.LATEST, deadline_ms=5 * MINUTE - 1), [], 4),
        (30_000, Lateness(deadline_ms=29_999), [], 1),
        (30_000, Lateness(deadline_ms=30_000), [0], 0),
    ],
)
def test_what_is_fired_and_what_is_missed(late: int, lateness: Lateness, fire: list[int], missed: int) -> None:
    """`late`: after noon's tick, the first that is owed; ticks are told by their hour after noon."""
    owed = due(hourly(), after_ms=NOON - 1, now_ms=NOON + late, lateness=lateness)
    ticks = tuple(NOON + hour * HOUR for hour in fire)
    until = NOON + (missed - 1) * HOUR if missed else None
    assert owed == Due(ticks, missed, False, until, NOON + (late // HOUR + 1) * HOUR)


def test_a_minute_late_is_on_time() -> None:
    assert ON_TIME_MS == 60_000


def test_nothing_is_owed_before_its_time_nor_when_the_clock_stands_before_the_last_tick() -> None:
    nothing = Due((), 0, False, None, NOON + HOUR)
    assert due(hourly(), after_ms=NOON, now_ms=NOON + HOUR - 1, lateness=ALL) == nothing
    assert due(hourly(), after_ms=NOON, now_ms=NOON - 5 * HOUR, lateness=ALL) == nothing


def test_seconds_of_a_short_absence_are_all_on_time() -> None:
    owed = due(parse("* * * * * *"), after_ms=NOON, now_ms=NOON + 45_000, lateness=NONE)
    assert owed.fire == tuple(NOON + second * 1000 for second in range(1, 46))
    assert owed.missed == 0


@pytest.mark.parametrize("expression", ["* * * * *", "*/5 * * * * *"])
@pytest.mark.parametrize("zone", ZONES)
def test_years_of_absence_cost_no_more_than_a_bounded_look(expression: str, zone: str) -> None:
    """And the newest ticks are the right ones: those that a look from shortly before finds."""
    recurrence, now = parse(expression, zone), NOON + 17
    lateness = Lateness(CatchUp.ALL, most=MOST)
    owed = due(recurrence, after_ms=NOON - 5 * 365 * DAY, now_ms=now, lateness=lateness)
    shortly = due(recurrence, after_ms=NOON - DAY, now_ms=now, lateness=lateness)
    assert owed.fire == shortly.fire
    assert len(owed.fire) == MOST
    assert owed.more_missed
    assert COUNTED - MOST <= owed.missed <= COUNTED + MOST


def test_few_ticks_of_many_years_are_all_counted() -> None:
    owed = due(parse("@daily"), after_ms=NOON - 1000 * DAY, now_ms=NOON, lateness=NONE)
    assert (owed.fire, owed.missed, owed.more_missed) == ((), 1000, False)


@given(
    expression=st.sampled_from(EXPRESSIONS),
    zone=st.sampled_from(ZONES),
    start=st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31)),
    hours=st.integers(1, 60),
    cuts=st.lists(st.integers(0, 60 * 60), max_size=5),
)
def test_looking_often_or_seldom_finds_the_same_ticks(
    expression: str, zone: str, start: datetime, hours: int, cuts: list[int]
) -> None:
    recurrence = parse(expression, zone)
    begin = int(start.replace(tzinfo=ZoneInfo("UTC")).timestamp()) * 1000
    end = begin + hours * HOUR
    lateness = Lateness(CatchUp.ALL, most=MOST)
    seldom = due(recurrence, after_ms=begin, now_ms=end, lateness=lateness).fire
    looks = sorted({*(begin + cut * MINUTE for cut in cuts if cut < hours * 60), end})
    often: list[int] = []
    after = begin
    for now in looks:
        fire = due(recurrence, after_ms=after, now_ms=now, lateness=lateness).fire
        often += fire
        after = fire[-1] if fire else after
    if len(seldom) < MOST:
        assert tuple(often) == seldom
    assert all(begin < one < other <= end for one, other in pairwise(often))


@given(
    expression=st.sampled_from(EXPRESSIONS),
    zone=st.sampled_from(ZONES),
    start=st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31)),
    absence=st.timedeltas(timedelta(), timedelta(days=4)),
    catch_up=st.sampled_from(CatchUp),
    most=st.integers(1, 20),
    deadline=st.none() | st.integers(0, 2 * DAY),
)
def test_every_owed_tick_is_fired_or_missed_and_those_missed_come_first(
    expression: str, zone: str, start: datetime, absence: timedelta, catch_up: CatchUp, most: int, deadline: int | None
) -> None:
    recurrence = parse(expression, zone)
    after = int(start.replace(tzinfo=ZoneInfo("UTC")).timestamp()) * 1000
    now = after + int(absence.total_seconds() * 1000)
    everything = due(recurrence, after_ms=after, now_ms=now, lateness=Lateness(CatchUp.ALL, most=MOST))
    owed = due(recurrence, after_ms=after, now_ms=now, lateness=Lateness(catch_up, most, deadline))
    assert owed.missed + len(owed.fire) == everything.missed + len(everything.fire)
    assert owed.fire == everything.fire[len(everything.fire) - len(owed.fire) :]
    assert all(deadline is None or now - tick <= deadline for tick in owed.fire)
    if owed.missed_until is not None and owed.fire:
        assert owed.missed_until < owed.fire[0]
    assert owed.next_ms is None or owed.next_ms > now


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_two_ticks_are_never_at_one_time(expression: str, zone: str) -> None:
    """Two times that a gap skips both run right after it: as one tick."""
    begin = int(datetime(2026, 1, 1, tzinfo=ZoneInfo("UTC")).timestamp() * 1000)
    ticks = parse(expression, zone).cron.ticks_after(begin)
    found = [tick for _, tick in zip(range(4000), ticks, strict=False)]
    assert all(one < other for one, other in pairwise(found))


@pytest.mark.parametrize(
    ("expression", "zone", "problem"),
    [
        ("* * *", "UTC", "wrong number of fields"),
        ("", "UTC", "wrong number of fields"),
        ("61 * * * *", "UTC", "minute: 61 is not within 0-59"),
        ("@reboot", "UTC", "use @hourly, @daily"),
        ("0 0 31 2 *", "UTC", "bad day-of-month"),
        ("0 0 * * MON#1/2", "UTC", "bad"),
        ("0 0 */31 2 MON#5", "UTC", "is never due"),
        ("٣ * * * *", "UTC", "plain letters and digits"),
        ("@daily", "Mars/Olympus", "no time zone 'Mars/Olympus'"),
        ("@daily", "", "no time zone"),
        ("@daily", "../etc/passwd", "no time zone"),
    ],
)
def test_a_wrong_one_is_refused_in_one_clear_line(expression: str, zone: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem) as caught:
        parse(expression, zone)
    assert "\n" not in str(caught.value)


@given(st.text(st.sampled_from("0123456789*/,-#LWMONSU @daily"), max_size=20))
def test_whatever_is_written_is_taken_or_refused(expression: str) -> None:
    with suppress(ConfigError):
        taken = parse(expression, "Europe/Berlin")
        assert taken.next_after(NOON)
        assert taken.describe()


def test_what_tells_recurrences_apart() -> None:
    assert parse("@daily").timing == parse(" 0  0 * * * ").timing
    assert len({parse("@daily").timing, parse("@daily", "Europe/Berlin").timing, hourly().timing}) == 3


@pytest.mark.parametrize(
    ("expression", "zone", "words"),
    [
        ("0 9 * * MON-FRI", "Europe/Berlin", "At 09:00 on Monday through Friday, Europe/Berlin time"),
        ("*/5 * * * *", "UTC", "Every fifth minute of every hour, UTC"),
        ("@monthly", "UTC", "At 00:00 on the first day of every month, UTC"),
        ("*/10 * * * * *", "UTC", "Every 10th second of every minute, UTC"),
        ("0 0 L * *", "UTC", "At 00:00 on the last day of every month, UTC"),
    ],
)
def test_it_is_said_in_english(expression: str, zone: str, words: str) -> None:
    assert parse(expression, zone).describe() == words


@pytest.mark.parametrize(
    ("most", "deadline", "problem"), [(0, None, "1 to 1000"), (MOST + 1, None, "1 to 1000"), (1, -1, "not be negative")]
)
def test_lateness_is_checked(most: int, deadline: int | None, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        Lateness(CatchUp.ALL, most, deadline)
