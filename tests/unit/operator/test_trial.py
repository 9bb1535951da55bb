"""Trials from their first look to their end: single steps as tables."""

from __future__ import annotations

from dataclasses import replace

import pytest

from headrace_operator.api.rollout import Gate, Rollout
from headrace_operator.api.status import RolloutStatus, RunCounts
from headrace_operator.core.clock import timestamp
from headrace_operator.core.evidence import Runs, Work
from headrace_operator.core.trial import Seen, Stage, advance
from headrace_operator.seams.runtime import Exit, VersionState

NOW = 1_900_000_000.0
SPEC = Rollout(gate=Gate(jobs=10, error_percent=10, timeout_seconds=60), progress_deadline_seconds=600)
OLD = VersionState("a", 3, 3, 0, created=1.0)
NEW = VersionState("n", 1, 1, 0, created=2.0)
QUIET = Work({"a": Runs(100)}, {"a": 0, "n": 0}, present=frozenset("an"))
ONCE, TWICE = Exit("n-1/worker/1", "exit code 137"), Exit("n-1/worker/2", "exit code 137")
WRONG = Exit("n-1/worker/1", "exit code 2", final=True)
DOWN = replace(NEW, ready=0, failing="x")


def look(*versions: VersionState, work: Work | None = QUIET, target: str = "n", now: float = NOW) -> Seen:
    return Seen(versions, target, work, now, away=work is None)


def after(*looks: Seen, last: RolloutStatus | None = None) -> RolloutStatus:
    for seen in looks:
        last = advance(last, SPEC, seen)
    assert last is not None
    return last


STABLE = after(look(OLD, target="a"))
BEGUN = after(look(OLD), last=STABLE)
READY = after(look(OLD, NEW), last=BEGUN)


def did(runs: Runs) -> Work:
    return replace(QUIET, runs={"a": Runs(100), "n": runs})


FAILED = after(look(OLD, NEW, work=did(Runs(0, 5))), last=READY)
PASSED = after(look(OLD, NEW, work=did(Runs(10))), last=READY)


def outcome(rollout: RolloutStatus) -> tuple[str, str, str | None, str | None]:
    return rollout.phase, rollout.stable, rollout.candidate, rollout.failed_version


FIRST: list[tuple[str, list[VersionState], tuple[str, str, str | None, str | None]]] = [
    ("the first version ever", [], ("Complete", "n", None, None)),
    ("it runs already", [NEW], ("Complete", "n", None, None)),
    ("in the middle of a rollout without gate", [OLD, NEW], ("Complete", "n", None, None)),
    ("another one runs", [OLD], ("Canary", "a", "n", None)),
    ("another one sleeps", [replace(OLD, desired=0, ready=0)], ("Canary", "a", "n", None)),
    ("others do", [OLD, VersionState("b", 1, 1, 0, created=1.5)], ("Canary", "b", "n", None)),
    ("one of them sleeps", [OLD, VersionState("b", 0, 0, 0, created=1.5)], ("Canary", "a", "n", None)),
]


@pytest.mark.parametrize(("name", "versions", "expected"), FIRST, ids=[row[0] for row in FIRST])
def test_where_an_operator_begins_that_finds_no_status(
    name: str, versions: list[VersionState], expected: tuple[str, str, str | None, str | None]
) -> None:
    assert outcome(after(look(*versions))) == expected, name


NEXT: list[tuple[str, RolloutStatus, Seen, tuple[str, str, str | None, str | None]]] = [
    ("nothing new", STABLE, look(OLD, target="a"), ("Complete", "a", None, None)),
    ("a new version", STABLE, look(OLD), ("Canary", "a", "n", None)),
    ("the stable one vanished", BEGUN, look(NEW), ("Complete", "n", None, None)),
    ("it fails", READY, look(OLD, NEW, work=did(Runs(0, 5))), ("RolledBack", "a", None, "n")),
    ("it passes", READY, look(OLD, NEW, work=did(Runs(10))), ("Replacing", "a", "n", None)),
    ("nobody knows", READY, look(OLD, NEW, work=None, now=NOW + 9999), ("Canary", "a", "n", None)),
    ("its process ends", READY, look(OLD, replace(DOWN, exits=(ONCE,))), ("Canary", "a", "n", None)),
    ("twice", READY, look(OLD, replace(DOWN, exits=(ONCE, TWICE))), ("RolledBack", "a", None, "n")),
    ("badly configured", READY, look(OLD, replace(DOWN, exits=(WRONG,))), ("RolledBack", "a", None, "n")),
    ("it can't run", READY, look(OLD, DOWN), ("Canary", "a", "n", None)),
    ("failed, the same spec", FAILED, look(OLD), ("RolledBack", "a", None, "n")),
    ("failed, another", FAILED, look(OLD, target="m"), ("Canary", "a", "m", None)),
    ("failed, back", FAILED, look(OLD, target="a"), ("Complete", "a", None, None)),
    ("failed, the stable one vanished", FAILED, look(NEW), ("Complete", "n", None, None)),
    ("on trial, another", READY, look(OLD, NEW, target="m"), ("Canary", "a", "m", None)),
    ("on trial, back", READY, look(OLD, NEW, target="a"), ("Complete", "a", None, None)),
    ("passed, old ones left", PASSED, look(OLD, NEW), ("Replacing", "a", "n", None)),
    ("passed, none left", PASSED, look(replace(OLD, desired=0), NEW), ("Complete", "n", None, None)),
    ("passed, then bad", PASSED, look(OLD, NEW, work=did(Runs(10, 5))), ("RolledBack", "a", None, "n")),
    ("passed, another", PASSED, look(OLD, NEW, target="m"), ("Canary", "a", "m", None)),
]


@pytest.mark.parametrize(("name", "last", "seen", "expected"), NEXT, ids=[row[0] for row in NEXT])
def test_the_next_step(
    name: str, last: RolloutStatus, seen: Seen, expected: tuple[str, str, str | None, str | None]
) -> None:
    assert outcome(after(seen, last=last)) == expected, name


def test_what_is_read_back_from_the_api_server_goes_on_as_before() -> None:
    for status in (STABLE, BEGUN, READY, PASSED, FAILED):
        read = RolloutStatus.model_validate_json(status.model_dump_json(by_alias=True, exclude_none=True))
        seen = look(OLD, NEW, work=did(Runs(10)), now=NOW + 5)
        assert after(seen, last=read) == after(seen, last=status)


def test_counts_of_an_earlier_life_are_no_evidence() -> None:
    before = after(look(OLD, work=did(Runs(5, 500))), last=STABLE)
    assert before.candidate_before == RunCounts(completed=5, failed=500)
    now = after(look(OLD, NEW, work=did(Runs(14, 500))), last=before)
    assert (now.phase, now.jobs, now.failed) == (Stage.CANARY, 9, 0)


def test_a_trial_that_began_unseen_counts_from_the_first_sight() -> None:
    begun = after(look(OLD, work=None), last=STABLE)
    assert begun.candidate_before is None
    assert after(look(OLD, work=did(Runs(3))), last=begun).candidate_before == RunCounts(completed=3)


def test_time_in_which_nothing_was_known_counts_for_nobody() -> None:
    starting = replace(NEW, ready=0)
    waiting = after(look(OLD, starting), last=BEGUN)
    away = after(look(OLD, starting, work=None, now=NOW + 599), last=waiting)
    assert after(look(OLD, starting, now=NOW + 1198), last=away).phase == Stage.CANARY
    assert after(look(OLD, starting, now=NOW + 1199), last=away).phase == Stage.ROLLED_BACK
    away = after(look(OLD, NEW, work=None, now=NOW + 59), last=READY)
    assert after(look(OLD, NEW, now=NOW + 118), last=away).phase == Stage.CANARY
    assert after(look(OLD, NEW, now=NOW + 119), last=away).phase == Stage.REPLACING


def test_a_pause_is_no_time_without_traffic() -> None:
    paused = after(look(OLD, NEW, work=replace(QUIET, paused=True), now=NOW + 999), last=READY)
    assert paused.phase == Stage.CANARY
    assert after(look(OLD, NEW, now=NOW + 1000), last=paused).phase == Stage.CANARY


def test_the_clock_begins_anew_when_the_fleet_has_slept() -> None:
    zero = [replace(OLD, desired=0, ready=0), replace(NEW, desired=0, ready=0)]
    slept = after(look(*zero, now=NOW + 30), last=READY)
    assert (slept.phase, slept.ready_time, slept.wanted_time) == (Stage.CANARY, None, None)
    awake = after(look(OLD, NEW, now=NOW + 9999), last=slept)
    assert (awake.phase, awake.ready_time) == (Stage.CANARY, timestamp(NOW + 9999))


def test_a_failed_version_stays_unproven_as_long_as_anything_of_it_lives() -> None:
    left = replace(QUIET, holding={"a": 0})
    draining = after(look(OLD, replace(NEW, desired=0, terminating=1), work=left), last=FAILED)
    assert draining.unproven == ("n",)
    reaped = after(look(OLD, work=replace(left, holding={"n": 1})), last=draining)
    assert reaped.unproven == ("n",), "its session is still to be reaped"
    assert after(look(OLD, work=None), last=reaped).unproven == ("n",)
    assert after(look(OLD, work=left), last=reaped).unproven == ()


def test_a_version_that_was_never_judged_is_not_forgotten() -> None:
    another = after(look(OLD, NEW, target="m"), last=READY)
    assert another.unproven == ("m", "n")
    left = replace(QUIET, holding={"a": 0})
    assert after(look(OLD, target="m", work=left), last=another).unproven == ("m",)


def test_a_version_that_passed_is_charged_like_any_other() -> None:
    assert PASSED.unproven == ("n",)
    assert after(look(replace(OLD, desired=0), NEW), last=PASSED).unproven == ()


def ended(*exits: Exit, ready: int = 0) -> VersionState:
    return replace(NEW, ready=ready, exits=exits)


def test_a_second_exit_counts_in_whatever_pod_and_however_much_later() -> None:
    once = after(look(OLD, ended(ONCE)), last=READY)
    assert once.exits == (ONCE.id,)
    again = after(look(OLD, ended(ONCE, ready=1), now=NOW + 50), look(OLD, NEW, now=NOW + 55), last=once)
    assert (again.phase, again.exits) == (Stage.CANARY, (ONCE.id,)), "seen twice is still one"
    other = Exit("n-2/worker/1", "exit code 1")
    back = after(look(OLD, ended(other), now=NOW + 58), last=again)
    assert (back.phase, back.message) == (Stage.ROLLED_BACK, "its workers crash: exit code 1")


def test_who_ends_while_redis_is_away_is_excused_and_the_next_is_not() -> None:
    away = after(look(OLD, ended(ONCE), work=None), look(OLD, ended(ONCE, TWICE), work=None), last=READY)
    assert (away.exits, away.excused_exits) == ((), (ONCE.id, TWICE.id))
    known = after(look(OLD, ended(TWICE)), last=away)
    assert (known.phase, known.exits, known.excused_exits) == (Stage.CANARY, (), (TWICE.id,))
    third, fourth = Exit("n-1/worker/3", "exit code 1"), Exit("n-1/worker/4", "exit code 1")
    assert after(look(OLD, ended(TWICE, third)), last=known).phase == Stage.CANARY
    assert after(look(OLD, ended(third, fourth)), last=known).phase == Stage.ROLLED_BACK
    wrong = after(look(OLD, ended(WRONG), work=None), look(OLD, ended(WRONG)), last=READY)
    assert wrong.phase == Stage.CANARY
    assert after(look(OLD, ended(WRONG, replace(WRONG, id="next"))), last=wrong).phase == Stage.ROLLED_BACK


def test_what_ends_before_a_new_leader_has_read_redis_is_looked_at_again() -> None:
    unread = replace(look(OLD, ended(WRONG), work=None), away=False)
    before = after(unread, last=READY)
    assert (before.phase, before.exits, before.excused_exits) == (Stage.CANARY, (), ())
    assert after(look(OLD, ended(WRONG)), last=before).phase == Stage.ROLLED_BACK


def test_what_is_noted_of_exits_is_bounded() -> None:
    many = tuple(Exit(f"n-{number}/worker/1", "exit code 1") for number in range(100))
    away = after(look(OLD, ended(*many), work=None), last=READY)
    assert len(away.excused_exits) == 20
    assert len(after(look(OLD, ended(*many)), last=READY).exits) == 2


ABSENT = replace(QUIET, holding={"a": 0}, present=frozenset("a"))


def test_who_is_ready_and_never_in_redis_is_rolled_back_at_the_deadline() -> None:
    waits = after(look(OLD, NEW, work=ABSENT), look(OLD, NEW, work=ABSENT, now=NOW + 599), last=BEGUN)
    assert (waits.phase, waits.reason, waits.ready_time) == (Stage.CANARY, "RedisNotReached", None)
    back = after(look(OLD, NEW, work=ABSENT, now=NOW + 600), last=waits)
    assert (back.phase, back.reason) == (Stage.ROLLED_BACK, "NeverInRedis")
    joined = after(look(OLD, NEW, now=NOW + 600), last=waits)
    assert (joined.phase, joined.reason, joined.ready_time) == (Stage.CANARY, "CanaryRunning", timestamp(NOW + 600))


def test_who_has_left_redis_has_the_deadline_to_come_back() -> None:
    gone = after(look(OLD, NEW, work=ABSENT, now=NOW + 30), last=READY)
    assert (gone.phase, gone.reason, gone.ready_time) == (Stage.CANARY, "RedisNotReached", None)
    assert after(look(OLD, NEW, work=ABSENT, now=NOW + 629), last=gone).phase == Stage.CANARY
    assert after(look(OLD, NEW, work=ABSENT, now=NOW + 630), last=gone).reason == "NeverInRedis"
    away = after(look(OLD, NEW, work=None, now=NOW + 629), last=gone)
    assert after(look(OLD, NEW, work=ABSENT, now=NOW + 630), last=away).phase == Stage.CANARY, "nobody knew"


def test_a_pod_that_moves_is_no_absence() -> None:
    moving = after(look(OLD, replace(NEW, ready=0), work=ABSENT, now=NOW + 999), last=READY)
    assert (moving.phase, moving.ready_time) == (Stage.CANARY, READY.ready_time)
