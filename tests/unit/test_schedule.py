"""E7: when cron expressions and intervals are due, daylight-saving changes included."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import takewhile
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace import Fleet
from headrace.client.schedule import Every, Schedule
from headrace.cron import NAMED, Cron
from headrace.errors import ConfigError
from support import tick_ledger
from support.fresh_python import run_fresh

BERLIN = "Europe/Berlin"


def ms(text: str, tz: str = "UTC", fold: int = 0) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(tz), fold=fold).timestamp() * 1000)


def local(tick: int, tz: str) -> str:
    return datetime.fromtimestamp(tick / 1000, ZoneInfo(tz)).strftime("%m-%d %H:%M:%S%z")


def ticks(schedule: Schedule, start: str, tz: str, count: int) -> list[str]:
    found, now = [], ms(start, tz)
    for _ in range(count):
        now = schedule.next_after(now)
        found.append(local(now, tz))
    return found


@pytest.mark.parametrize(
    ("schedule", "after", "due"),
    [
        (Cron("*/5 * * * *"), "2026-01-01 00:04:59", "2026-01-01 00:05:00"),
        (Cron("*/5 * * * *"), "2026-01-01 00:05:00", "2026-01-01 00:10:00"),
        (Cron("*/20 * * * * *"), "2026-01-01 00:00:20", "2026-01-01 00:00:40"),
        (Cron("@daily"), "2026-01-01 00:00:00", "2026-01-02 00:00:00"),
        (Cron("@Hourly"), "2026-01-01 00:00:00", "2026-01-01 01:00:00"),
        (Cron("@weekly"), "2026-01-01 00:00:00", "2026-01-04 00:00:00"),
        (Cron("0 9 * * MON-FRI", BERLIN), "2026-01-02 12:00:00", "2026-01-05 08:00:00"),
        (Cron("0 0 29 2 *"), "2026-01-01 00:00:00", "2028-02-29 00:00:00"),
        (Every(30), "2026-01-01 00:00:30", "2026-01-01 00:01:00"),
        (Every(1.5), "1970-01-01 00:00:03", "1970-01-01 00:00:04.500"),
    ],
)
def test_the_next_tick(schedule: Schedule, after: str, due: str) -> None:
    assert schedule.next_after(ms(after)) == ms(due)
    assert schedule.next_after(ms(due) - 1) == ms(due)
    assert schedule.latest_until(ms(due)) == ms(due)


def test_a_fixed_time_that_is_skipped_runs_right_after_the_gap() -> None:
    """On 2026-03-29 in Berlin 02:00 is followed by 03:00."""
    found = ticks(Cron("30 2 * * *", BERLIN), "2026-03-27 12:00:00", BERLIN, 3)
    assert found == ["03-28 02:30:00+0100", "03-29 03:00:00+0200", "03-30 02:30:00+0200"]


def test_a_fixed_time_that_comes_twice_runs_once() -> None:
    """On 2026-10-25 in Berlin 02:59 is followed by 02:00."""
    found = ticks(Cron("30 2 * * *", BERLIN), "2026-10-24 12:00:00", BERLIN, 2)
    assert found == ["10-25 02:30:00+0200", "10-26 02:30:00+0100"]
    again = Cron("30 2 * * *", BERLIN)
    assert local(again.next_after(ms("2026-10-25 02:15", BERLIN, fold=1)), BERLIN) == "10-26 02:30:00+0100"
    assert local(again.latest_until(ms("2026-10-25 02:15", BERLIN, fold=1)), BERLIN) == "10-25 02:30:00+0200"


def test_what_is_due_each_half_hour_goes_by_real_time() -> None:
    spring = ticks(Cron("*/30 * * * *", BERLIN), "2026-03-29 01:00:00", BERLIN, 3)
    assert spring == ["03-29 01:30:00+0100", "03-29 03:00:00+0200", "03-29 03:30:00+0200"]
    autumn = ticks(Cron("*/30 * * * *", BERLIN), "2026-10-25 02:00:00", BERLIN, 4)
    assert autumn == ["10-25 02:30:00+0200", "10-25 02:00:00+0100", "10-25 02:30:00+0100", "10-25 03:00:00+0100"]


def test_six_fields_go_by_the_wall_clock() -> None:
    spring = ticks(Cron("0 30 2 * * *", BERLIN), "2026-03-28 12:00:00", BERLIN, 1)
    assert spring == ["03-30 02:30:00+0200"]
    autumn = ticks(Cron("0 30 2 * * *", BERLIN), "2026-10-24 12:00:00", BERLIN, 2)
    assert autumn == ["10-25 02:30:00+0200", "10-25 02:30:00+0100"]


def test_intervals_know_no_daylight_saving() -> None:
    start = ms("2026-03-29 00:00", BERLIN)
    assert Every(7200).next_after(start) - start <= 7200_000
    assert Every(7200).next_after(Every(7200).next_after(start)) - Every(7200).next_after(start) == 7200_000


EXPRESSIONS = (
    *("30 2 * * *", "0 */2 * * *", "*/30 * * * *", "15 1-3 * * *", "0 30 2 * * *", "*/20 * * * * *", "0 0 29 2 *"),
    *("0 3 * * SUN", "59 23 L * *", "0 0 * * MON#1", "*/7 2 * * *", "0,59 0-59 2,3 * * *", *NAMED),
)
ZONES = ("UTC", BERLIN, "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Africa/Casablanca")
SCHEDULES = st.builds(Cron, st.sampled_from(EXPRESSIONS), st.sampled_from(ZONES)) | st.builds(
    Every, st.floats(1, 100_000)
)
CHANGES = [ms(day, BERLIN) for day in ("2026-03-29 02:00", "2026-10-25 02:00", "2026-03-08 08:00", "2026-11-01 07:00")]
MOMENTS = st.integers(0, ms("2040-01-01")) | st.builds(
    lambda at, by: at + by, st.sampled_from(CHANGES), st.integers(-20_000_000, 20_000_000)
)


@given(SCHEDULES, MOMENTS)
def test_ticks_only_go_forward_and_the_latest_is_the_one_before_the_next(schedule: Schedule, now: int) -> None:
    latest, following = schedule.latest_until(now), schedule.next_after(now)
    assert latest <= now < following
    assert schedule.next_after(latest) == following
    assert schedule.latest_until(following) == following
    assert schedule.next_after(latest - 1) == latest


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: Cron("61 * * * *"), r"cron '61 \* \* \* \*': minute: 61 is not within 0-59$"),
        (lambda: Cron("60 * * * * *"), r"': second: 60 is not within 0-59$"),
        (lambda: Cron("0 9-24 * * *"), r"': hour: 24 is not within 0-23$"),
        (lambda: Cron("0 0 1,0 * *"), r"': day-of-month: 0 is not within 1-31$"),
        (lambda: Cron("0 0 * 13/2 *"), r"': month: 13 is not within 1-12$"),
        (lambda: Cron("0 0 * * 8"), r"': day-of-week: 8 is not within 0-7$"),
        (lambda: Cron("0 0 ? * MON"), r"': day-of-month: \? is not known here, write \*$"),
        (lambda: Cron("0 5-1 * * *"), r"': bad hour$"),
        (lambda: Cron("0 0 * * MON#6"), r"': bad day-of-week$"),
        (lambda: Cron("* * * *"), r"wrong number of fields \(use five fields, or six with seconds\)$"),
        (lambda: Cron("@every 5m"), r"is no name of a schedule \(use @hourly, @daily, @midnight"),
        (lambda: Cron("* * *"), "wrong number of fields"),
        (lambda: Cron("@often"), r"cron '@often': .* \(use @hourly, "),
        (lambda: Cron("0 0 30 2 *"), "bad day-of-month"),
        (lambda: Cron("* * */20 * 1L"), "is never due"),
        (lambda: Cron("@daily", "Mars/Olympus"), "no time zone 'Mars/Olympus'"),
        (lambda: Cron("@daily", "../etc/passwd"), "no time zone"),
        (lambda: Cron("@daily", "Europe"), "no time zone 'Europe'"),
        (lambda: Every(0.5), "must be 1 second to 366 days"),
        (lambda: Every(float("nan")), "must be 1 second to 366 days"),
    ],
)
def test_bad_schedules_are_refused_in_one_line(make: object, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint) as refused:
        make()  # type: ignore[operator]
    assert "\n" not in str(refused.value)


def test_a_periodic_task_takes_no_arguments_and_one_schedule() -> None:
    queue = Fleet().queue("q")

    async def needs(what: str) -> None: ...

    async def needs_nothing(what: str = "", *rest: int, **more: int) -> None: ...

    with pytest.raises(ConfigError, match="called without arguments, but 'what' has no default"):
        queue.every(5)(needs)
    task = queue.cron("@daily")(needs_nothing)
    with pytest.raises(ConfigError, match="has a schedule already"):
        queue.every(5)(task)
    with pytest.raises(ConfigError, match="is of another queue"):
        Fleet().queue("q").every(5)(task)
    with pytest.raises(ConfigError, match="deadline must be"):
        queue.every(5, deadline=-1)(queue.task(name="other")(needs_nothing))


def test_whoever_has_no_cron_expression_imports_no_parser() -> None:
    code = (
        "import sys; from headrace import Fleet; q = Fleet().queue('q')\n"
        "import headrace.worker.launcher\n"
        "q.every(5)(q.task(name='t')(lambda: None))\n"
        "assert not {'cronsim', 'zoneinfo', 'headrace.worker.ticker'} & set(sys.modules)\n"
        "q.cron('@daily')(q.task(name='u')(lambda: None)); assert 'cronsim' in sys.modules"
    )
    run_fresh(code)


def test_a_tick_is_told_to_the_handler() -> None:
    from headrace.context import TICK, Context

    told = Context(job_id="j", queue="q", task="t", meta={TICK: "1500"})
    assert told.tick == datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=1500)
    assert Context(job_id="j", queue="q", task="t").tick is None


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Santiago"])
@pytest.mark.parametrize(
    "expression",
    [
        "*/30 * * * *",
        "30 1,2 * * *",
        "15,30 2 * * *",
        "0 0 * * *",
        "30 * * * *",
        "*/10 2 * * SUN",
        "0 0 13 * FRI",
        "0 0 L * *",
        "0 */6 * * *",
        "0 0 0 * * *",
        "0 30 2 * * *",
        "*/20 15 */2 * * *",
    ],
)
def test_a_year_of_ticks_is_what_a_walk_over_all_its_minutes_finds(expression: str, zone: str) -> None:
    """Clocks change by an hour at two, by half an hour, and at midnight."""
    begin, end = ms("2026-01-01"), ms("2027-01-01")
    found = list(takewhile(lambda tick: tick <= end, Cron(expression, zone).ticks_after(begin)))
    assert found == tick_ledger.ticks(expression, zone, begin, end)
