"""The ledger of the simulated year: its rules against the operator's own, and that each kind of mistake is noticed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace_operator.core.recurrence import CatchUp, Lateness, due, parse
from soak.schedule_book import Book
from soak.schedule_ledger import Ledger
from soak.schedule_rules import DAY, HOUR, MINUTE, Fate, Mistake, calendar, share_out
from support.operator_diary import Answer, Diary, Ending, Look, Record, Turn
from support.schedule_spec import Spec

NOON = int(datetime(2026, 6, 1, 12, tzinfo=UTC).timestamp() * 1000)
DAYS = (NOON - DAY, NOON + 3 * DAY)
HOURLY = Spec("@hourly", "UTC", catch_up="All", catch_up_max=2)
UID = "uid"


@given(
    minutes=st.integers(0, 200),
    seconds=st.integers(0, 420),
    catch_up=st.sampled_from(("None", "Latest", "All")),
    most=st.integers(1, 12),
    deadline_s=st.none() | st.integers(1, 7200),
)
def test_its_rules_are_those_that_the_operator_keeps(
    minutes: int, seconds: int, catch_up: str, most: int, deadline_s: int | None
) -> None:
    """Two readings of one page of docs."""
    now = NOON + HOUR // 3 + 1000 * seconds
    spec = Spec("*/7 * * * *", "UTC", "Allow", catch_up, most, deadline_s)  # type: ignore[arg-type]
    after = now - MINUTE * minutes
    lateness = Lateness(CatchUp(catch_up), most, None if deadline_s is None else deadline_s * 1000)
    theirs = due(parse(spec.cron), after_ms=after, now_ms=now, lateness=lateness)
    ours = share_out(calendar(spec.timing, *DAYS).between(after, now), spec, now)
    assert (ours.run, len(ours.missed)) == (theirs.fire, theirs.missed)
    assert calendar(spec.timing, *DAYS).next(now) == theirs.next_ms


class Play:
    """One operator, one Schedule of every hour, and a Redis that answers as it should unless told otherwise."""

    def __init__(self, spec: Spec = HOURLY) -> None:
        self.book = Book(UID, NOON - MINUTE, 5, DAYS)
        self.ledger = Ledger({UID: self.book})
        self.diary = Diary(self.ledger)
        self.life = self.diary.begin(0, NOON, 0)
        self.spec = spec
        self.record = Record(NOON)

    def look(self, at: int) -> Look:
        """Stating the terms."""
        look = self.diary.look(self.life, UID, self.spec, at)
        if not self.record.known:
            self.record = replace(self.record, known=True, since_ms=NOON - MINUTE)
        self._call(look, "settle_schedule", at)
        return look

    def fire(self, look: Look, tick: int, at: int, fate: str = "enqueued", missed: int = 0, **wrong: object) -> None:
        """As Redis does it."""
        job = "" if fate == "skipped" else f"{UID}:{tick}"
        was = self.record
        rows = [(tick, job, fate), *was.runs][:5]
        self.record = replace(
            was,
            last_ms=tick,
            enqueued=was.enqueued + bool(job),
            skipped=was.skipped + (not job),
            missed=was.missed + missed,
            active=(*was.active, job) if job else was.active,
            recent=msgspec.msgpack.encode(rows),
        )
        self._call(look, "fire_tick", at, fate, job, **wrong)

    def _call(self, look: Look, name: str, at: int, fate: str = "", job: str = "", **wrong: object) -> None:
        self.record = replace(self.record, now_ms=at)
        answer = replace(Answer(self.record, fate, job), **wrong)  # type: ignore[arg-type]
        self.ledger.called(UID, look, name, at, answer)

    def over(self, tick: int) -> None:
        """A worker does its job."""
        self.ledger.turned(f"{UID}:{tick}", Turn.GOT)
        self.ledger.turned(f"{UID}:{tick}", Turn.DONE)
        self.record = replace(self.record, active=tuple(one for one in self.record.active if str(tick) not in one))

    def end(self, look: Look, at: int, how: Ending = Ending.ANSWERED) -> None:
        self.ledger.ended(UID, look, how, at)

    def close(self, at: int) -> list[Mistake]:
        self.record = replace(self.record, now_ms=at)
        self.ledger.close({UID: self.record}, at)
        return [kind for kind, _ in self.ledger.mistakes]


def first_tick(play: Play) -> Look:
    look = play.look(NOON)
    play.fire(look, NOON, NOON)
    play.end(look, NOON)
    return look


def sound(play: Play) -> None:
    first_tick(play)
    play.over(NOON)


def late(play: Play) -> None:
    """Three ticks are late, two of them are made up for."""
    first_tick(play)
    play.over(NOON)
    play.life.ended_ms = NOON
    play.life = play.diary.begin(0, NOON + 1, 0)
    look = play.look(NOON + 3 * HOUR + 5 * MINUTE)
    for number, missed in ((2, 1), (3, 0)):
        play.fire(look, NOON + number * HOUR, NOON + 3 * HOUR + 5 * MINUTE, missed=missed)
        play.over(NOON + number * HOUR)
    play.end(look, NOON + 3 * HOUR + 5 * MINUTE)


@pytest.mark.parametrize(
    ("story", "fates"),
    [(sound, [Fate.JOB]), (late, [Fate.JOB, Fate.MISSED, Fate.JOB, Fate.JOB])],
)
def test_what_is_right_is_sound(story: Callable[[Play], None], fates: list[Fate]) -> None:
    play = Play()
    story(play)
    assert play.close(play.record.now_ms + MINUTE) == []
    assert [fate for _, fate in sorted(play.book.fates.items())] == fates


def got_again(play: Play) -> None:
    sound(play)
    play.ledger.turned(f"{UID}:{NOON}", Turn.GOT)


def job_of_no_tick(play: Play) -> None:
    sound(play)
    play.ledger.turned(f"{UID}:{NOON + 7}", Turn.GOT)


def job_of_nobody(play: Play) -> None:
    sound(play)
    play.ledger.turned("other:7", Turn.GOT)


def fired_before_its_time(play: Play) -> None:
    look = play.look(NOON)
    play.fire(look, NOON, NOON)
    play.fire(look, NOON + HOUR, NOON)


def another_tick(play: Play) -> None:
    play.fire(play.look(NOON), NOON - 1, NOON)


def not_fired(play: Play) -> None:
    play.end(play.look(NOON), NOON)


def came_back_late(play: Play) -> None:
    sound(play)
    play.look(NOON + HOUR + 6_000)


def never_came_back(play: Play) -> None:
    sound(play)
    play.close(NOON + HOUR + 6_000)


def never_got(play: Play) -> None:
    first_tick(play)


def skipped_for_nothing(play: Play) -> None:
    play.fire(play.look(NOON), NOON, NOON, "skipped")


def not_skipped(play: Play) -> None:
    play.spec = replace(HOURLY, policy="Forbid")
    look = first_tick(play)
    look = play.look(NOON + HOUR)
    play.fire(look, NOON + HOUR, NOON + HOUR)


def replaced_nothing(play: Play) -> None:
    play.spec = replace(HOURLY, policy="Replace")
    first_tick(play)
    play.fire(play.look(NOON + HOUR), NOON + HOUR, NOON + HOUR)


def miscounted(play: Play) -> None:
    look = play.look(NOON)
    play.record = replace(play.record, missed=1)
    play.fire(look, NOON, NOON)


def other_history(play: Play) -> None:
    sound(play)
    play.record = replace(play.record, recent=b"")


def other_number(play: Play) -> None:
    sound(play)
    play.record = replace(play.record, enqueued=2)


def clock_went_back(play: Play) -> None:
    sound(play)
    play.ledger.clock(NOON - HOUR, NOON - HOUR, done=False)


def clock_of_somebody_else(play: Play) -> None:
    sound(play)
    play.ledger.clock(NOON, NOON + HOUR, done=False)


def fired_by_the_past(play: Play) -> None:
    """Another operator has dealt with the tick since."""
    look = play.look(NOON)
    other = play.look(NOON)
    play.fire(other, NOON, NOON)
    play.fire(look, NOON, NOON)


def rests_though_overtaken(play: Play) -> None:
    look = play.look(NOON)
    other = play.look(NOON)
    play.fire(other, NOON, NOON)
    play._call(look, "fire_tick", NOON, "already", f"{UID}:{NOON}")
    play.end(look, NOON)


def stopped_for_nothing(play: Play) -> None:
    first_tick(play)
    play.ledger.turned(f"{UID}:{NOON}", Turn.GOT)
    play.ledger.turned(f"{UID}:{NOON}", Turn.STOPPED)


def ignores_its_suspension(play: Play) -> None:
    play.spec = replace(HOURLY, suspend=True)
    play.record = replace(play.record, known=True, since_ms=NOON - MINUTE, suspended=True)
    play.fire(play.look(NOON), NOON, NOON)


@pytest.mark.parametrize(
    ("story", "mistake"),
    [
        (got_again, Mistake.DUPLICATE),
        (job_of_no_tick, Mistake.STRANGER),
        (job_of_nobody, Mistake.STRANGER),
        (fired_before_its_time, Mistake.STRANGER),
        (another_tick, Mistake.STRANGER),
        (fired_by_the_past, Mistake.STRANGER),
        (ignores_its_suspension, Mistake.STRANGER),
        (not_fired, Mistake.HOLE),
        (came_back_late, Mistake.HOLE),
        (never_came_back, Mistake.HOLE),
        (never_got, Mistake.HOLE),
        (rests_though_overtaken, Mistake.HOLE),
        (skipped_for_nothing, Mistake.SKIP),
        (not_skipped, Mistake.SKIP),
        (replaced_nothing, Mistake.REPLACEMENT),
        (stopped_for_nothing, Mistake.REPLACEMENT),
        (miscounted, Mistake.MISS),
        (other_history, Mistake.COUNT),
        (other_number, Mistake.COUNT),
        (clock_went_back, Mistake.CLOCK),
        (clock_of_somebody_else, Mistake.CLOCK),
    ],
)
def test_a_mistake_is_noticed(story: Callable[[Play], None], mistake: Mistake) -> None:
    play = Play()
    story(play)
    found = play.close(play.record.now_ms)
    assert found
    assert found[0] is mistake, play.ledger.mistakes


def test_a_job_that_is_called_off_while_it_waits_for_another_try_is_replaced_whoever_had_it_before() -> None:
    play = Play(replace(HOURLY, policy="Replace"))
    first_tick(play)
    play.ledger.turned(f"{UID}:{NOON}", Turn.GOT)
    play.ledger.turned(f"{UID}:{NOON}", Turn.RETRY)
    look = play.look(NOON + HOUR)
    play.record = replace(play.record, active=())
    play.fire(look, NOON + HOUR, NOON + HOUR, "replaced", replaced=(f"{UID}:{NOON}",))
    play.end(look, NOON + HOUR)
    play.over(NOON + HOUR)
    assert play.close(NOON + HOUR) == []
    assert play.book.fates == {NOON: Fate.REPLACED, NOON + HOUR: Fate.JOB}
    assert play.book.called_off == 1


def test_who_can_only_count_what_is_missed_looks_again_in_its_own_time_though_another_was_faster() -> None:
    play = Play(replace(HOURLY, catch_up="None", broken=True))
    at = NOON + 5 * MINUTE
    look, other = play.look(at), play.look(at)
    play.record = replace(play.record, last_ms=NOON, missed=1)
    play._call(other, "pass_ticks", at, "skipped")
    play.end(other, at)
    play._call(look, "pass_ticks", at, "already")
    play.end(look, at)
    play.end(play.look(at + HOUR // 2), at + HOUR // 2)
    assert play.close(at + HOUR // 2) == []
    assert play.book.fates == {NOON: Fate.MISSED}
