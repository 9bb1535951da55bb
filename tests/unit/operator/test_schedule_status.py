"""The status of a Schedule, when it is written, and what people are told of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from headrace_operator.api.schedule_status import RunNowStatus, ScheduleStatus
from headrace_operator.core.schedule_events import events
from headrace_operator.core.schedule_summary import Found, Mirrored, Run, condition, summarise, worth_writing
from headrace_operator.core.schedule_verdict import ScheduleReason, Verdict

NOW = 1_900_000_000.0
GOOD = Verdict(ScheduleReason.SCHEDULED, "jobs are put into queue q")
BAD = Verdict(ScheduleReason.UNKNOWN_TASK, "no such task")
SUSPENDED = Verdict(ScheduleReason.SUSPENDED, "nothing fires")
RUNS = (
    Run(NOW - 1, "enqueued", "u:now:a", out_of_turn=True),
    Run(NOW - 5, "skipped", ""),
    Run(NOW - 10, "replaced", "u:10"),
)
FOUND = Found(3, GOOD, "Every minute, UTC", NOW + 50, Mirrored(5, 1, 2, RUNS, ("u:now:a",)))


def status(found: Found = FOUND, previous: ScheduleStatus | None = None, now: float = NOW) -> ScheduleStatus:
    return summarise(previous, found, now)


def test_it_mirrors_what_redis_knows() -> None:
    made = status()
    assert (made.enqueued, made.skipped, made.missed) == (5, 1, 2)
    assert made.last_job_id == "u:now:a"
    assert made.last_schedule_time == "2030-03-17T17:46:30Z", "neither the run out of turn nor the skipped tick"
    assert made.next_schedule_time == "2030-03-17T17:47:30Z"
    assert [run.fate for run in made.recent] == ["Enqueued", "Skipped", "Replaced"]
    assert made.active == ("u:now:a",)
    assert made.observed_generation == 3


def test_history_is_bounded() -> None:
    assert len(status(replace(FOUND, history=1)).recent) == 1
    assert status(replace(FOUND, history=0)).recent == ()


def test_what_could_not_be_asked_for_stays_and_the_next_time_goes() -> None:
    lost = Found(3, Verdict(ScheduleReason.REDIS_UNAVAILABLE, "refused"), "Every minute, UTC")
    made = status(lost, status())
    assert (made.enqueued, made.recent) == (5, status().recent)
    assert made.next_schedule_time is None
    later = status(FOUND, made, NOW + 100)
    ready = condition(later)
    assert ready is not None
    assert (ready.status, ready.last_transition_time) == ("True", "2030-03-17T17:48:20Z")


@pytest.mark.parametrize(
    ("changed", "waited", "written"),
    [
        ({}, 100, False),
        ({"mirrored": Mirrored(6)}, 1, False),
        ({"mirrored": Mirrored(6)}, 30, True),
        ({"verdict": BAD}, 0, True),
        ({"verdict": Verdict(ScheduleReason.UNKNOWN_TASK, "another")}, 0, True),
        ({"generation": 4}, 0, True),
        ({"run_now": RunNowStatus(request="a", phase="Accepted", time="2030-01-01T00:00:00Z")}, 0, True),
    ],
)
def test_transitions_are_written_at_once_and_numbers_seldom(
    changed: dict[str, object], waited: float, written: bool
) -> None:
    old = status()
    new = status(replace(FOUND, **changed), old, NOW + waited)  # type: ignore[arg-type]
    assert worth_writing(old, new, NOW, NOW + waited) is written


def told(old: Found | None, new: Found) -> list[str]:
    before = None if old is None else status(old)
    return [event.reason for event in events(before, status(new, before))]


def run_now(phase: str) -> Found:
    return replace(FOUND, run_now=RunNowStatus(request="a", phase=phase, time="2030-01-01T00:00:00Z", message="m"))


@pytest.mark.parametrize(
    ("old", "new", "reasons"),
    [
        (None, FOUND, ["TicksMissed"]),
        (None, replace(FOUND, mirrored=None), []),
        (FOUND, FOUND, []),
        (FOUND, replace(FOUND, verdict=BAD), ["UnknownTask"]),
        (replace(FOUND, verdict=BAD), replace(FOUND, verdict=BAD), []),
        (replace(FOUND, verdict=BAD), replace(FOUND, verdict=replace(BAD, message="another")), ["UnknownTask"]),
        (replace(FOUND, verdict=BAD), FOUND, ["Scheduled"]),
        (FOUND, replace(FOUND, verdict=SUSPENDED), ["Suspended"]),
        (replace(FOUND, verdict=SUSPENDED), FOUND, ["Resumed"]),
        (FOUND, replace(FOUND, mirrored=Mirrored(5, 1, 4)), ["TicksMissed"]),
        (replace(FOUND, verdict=BAD), replace(FOUND, verdict=BAD, mirrored=Mirrored(5, 1, 4)), []),
        (FOUND, run_now("Accepted"), []),
        (run_now("Accepted"), run_now("Enqueued"), ["RunNowEnqueued"]),
        (run_now("Enqueued"), run_now("Repeated"), ["RunNowRepeated"]),
        (run_now("Repeated"), run_now("Repeated"), []),
    ],
)
def test_people_are_told_of_transitions(old: Found | None, new: Found, reasons: list[str]) -> None:
    assert told(old, new) == reasons
