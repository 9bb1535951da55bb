"""Trials from their first look to their end: single steps as a table, and whole lives of arbitrary fleets."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace_operator.api.rollout import Gate, Rollout
from headrace_operator.api.status import RolloutStatus, RunCounts
from headrace_operator.core.clock import timestamp
from headrace_operator.core.evidence import Runs, Work
from headrace_operator.core.rollout import Create, Phase, Scale, Trial
from headrace_operator.core.trial import Seen, Stage, advance
from headrace_operator.seams.runtime import VersionState
from support.rollout_sim import Sim, Workers

NOW = 1_900_000_000.0
SPEC = Rollout(gate=Gate(jobs=10, error_percent=10, timeout_seconds=60), progress_deadline_seconds=600)
OLD = VersionState("a", 3, 3, 0, created=1.0)
NEW = VersionState("n", 1, 1, 0, created=2.0)
QUIET = Work({"a": Runs(100)}, {"a": 0})


def look(*versions: VersionState, work: Work | None = QUIET, target: str = "n", now: float = NOW) -> Seen:
    return Seen(versions, target, work, now)


def after(*looks: Seen, last: RolloutStatus | None = None) -> RolloutStatus:
    for seen in looks:
        last = advance(last, SPEC, seen)
    assert last is not None
    return last


STABLE = after(look(OLD, target="a"))
BEGUN = after(look(OLD), last=STABLE)
READY = after(look(OLD, NEW), last=BEGUN)


def did(runs: Runs) -> Work:
    return Work({"a": Runs(100), "n": runs}, {"a": 0, "n": 0})


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
    ("it crashes", READY, look(OLD, replace(NEW, failing="x", crashing=True)), ("RolledBack", "a", None, "n")),
    ("it can't run", READY, look(OLD, replace(NEW, failing="x")), ("Canary", "a", "n", None)),
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
    draining = after(look(OLD, replace(NEW, desired=0, terminating=1)), last=FAILED)
    assert draining.unproven == ("n",)
    reaped = after(look(OLD, work=Work(holding={"n": 1})), last=draining)
    assert reaped.unproven == ("n",), "its session is still to be reaped"
    assert after(look(OLD, work=None), last=reaped).unproven == ("n",)
    assert after(look(OLD), last=reaped).unproven == ()


def test_a_version_that_was_never_judged_is_not_forgotten() -> None:
    another = after(look(OLD, NEW, target="m"), last=READY)
    assert another.unproven == ("m", "n")
    assert after(look(OLD, target="m"), last=another).unproven == ("m",)


def test_a_version_that_passed_is_charged_like_any_other() -> None:
    assert PASSED.unproven == ("n",)
    assert after(look(replace(OLD, desired=0), NEW), last=PASSED).unproven == ()


@dataclass
class Life:
    """A simulated fleet with the gate before it. Every step looks, judges, plans and carries out once."""

    sim: Sim
    target: str = "v0"
    desired: int = 3
    now: float = NOW
    rollout: RolloutStatus | None = None
    runs: dict[str, Runs] = field(default_factory=dict)

    def step(self) -> None:
        states = self.sim.states()
        crashing = [replace(one, crashing=one.failing is not None and one.ready == 0) for one in states]
        work = Work(dict(self.runs), {one.hash: 0 for one in states if one.ready})
        self.rollout = advance(self.rollout, SPEC, Seen(crashing, self.target, work, self.now))
        before = dict.fromkeys(self.sim.versions, 0) | {
            name: workers.ready for name, workers in self.sim.versions.items()
        }
        plan = self.sim.plan(self.effective, self.desired, self.trial)
        for one in plan.steps:
            assert not isinstance(one, Create) or one.version == self.target, "only the spec's own can be made"
        self.sim.apply(plan)
        self.check(self.rollout, before)

    @property
    def effective(self) -> str:
        assert self.rollout is not None
        return self.rollout.stable if self.rollout.phase == Stage.ROLLED_BACK else self.target

    @property
    def trial(self) -> Trial | None:
        rollout = self.rollout
        assert rollout is not None
        version = rollout.candidate or rollout.failed_version
        if rollout.phase == Stage.COMPLETE or version is None:
            return None
        return Trial(Stage(rollout.phase), version, rollout.stable, "")

    def check(self, rollout: RolloutStatus, before: dict[str, int]) -> None:
        assert self.sim.existing <= self.sim.most + self.sim.surge
        count = {name: workers.desired for name, workers in self.sim.versions.items()}
        assert rollout.stable in count, "nobody else could make it again"
        if rollout.phase == Stage.ROLLED_BACK:
            assert count.get(rollout.failed_version or "", 0) == 0
        if rollout.phase == Stage.CANARY:
            serving = self.sim.versions[rollout.stable].ready
            assert serving >= min(before[rollout.stable], self.desired), "the old one lost capacity"


moves = st.lists(
    st.one_of(
        st.tuples(st.just("want"), st.integers(0, 8)),
        st.tuples(st.just("target"), st.integers(0, 3)),
        st.tuples(st.just("start"), st.integers(1, 4)),
        st.tuples(st.just("end"), st.integers(1, 4)),
        st.tuples(st.just("fails"), st.integers(0, 3)),
        st.tuples(st.just("works"), st.integers(0, 3)),
        st.tuples(st.just("crashes"), st.integers(0, 3)),
        st.tuples(st.just("time"), st.sampled_from((1, 61, 601))),
    ),
    max_size=40,
)


@given(st.integers(1, 3), moves)
def test_any_life_keeps_the_old_version_and_ends_well(surge: int, life: list[tuple[str, int]]) -> None:
    at = Life(Sim(most=8, surge=surge))
    at.step()
    for what, number in life:
        live(at, what, number)
        at.step()
    # From wherever it is: another version that is sound gets its trial and passes it.
    at.target, at.desired = "sound", 3
    for workers in at.sim.versions.values():
        workers.fails = False
    for _ in range(80):
        at.sim.start(1)
        at.sim.end(1)
        at.runs["sound"] = Runs(at.runs.get("sound", Runs()).completed + 1)
        at.now += 1
        at.step()
    assert at.rollout is not None
    assert (at.rollout.phase, at.rollout.stable, at.rollout.unproven) == (Stage.COMPLETE, "sound", ())
    assert {name: workers.ready for name, workers in at.sim.versions.items()} == {"sound": 3}


def live(at: Life, what: str, number: int) -> None:
    version = f"v{number}"
    done = at.runs.get(version, Runs())
    match what:
        case "want":
            at.desired = number
        case "target":
            at.target = version
        case "start":
            at.sim.start(number)
        case "end":
            at.sim.end(number)
        case "fails":
            at.runs[version] = replace(done, failed=done.failed + 5)
        case "works":
            at.runs[version] = replace(done, completed=done.completed + 5)
        case "crashes" if version in at.sim.versions:
            at.sim.versions[version].fails = not at.sim.versions[version].fails
        case "time":
            at.now += number


@given(st.integers(1, 8), st.integers(1, 4), st.integers(0, 9))
def test_a_failing_version_never_gets_a_second_worker(desired: int, surge: int, good: int) -> None:
    at = Life(Sim(most=20, surge=surge), target="old", desired=desired)
    at.sim.versions["old"] = Workers(created=0, ready=desired)
    at.step()
    at.target = "new"
    at.runs["new"] = Runs()
    for turn in range(30):
        at.step()
        at.sim.start(1)
        at.sim.end(1)
        workers = at.sim.versions.get("new")
        assert workers is None or workers.desired <= 1
        assert at.sim.versions["old"].ready == desired
        if workers and workers.ready:
            at.runs["new"] = Runs(min(turn, good), 5)
    assert at.rollout is not None
    assert (at.rollout.phase, at.rollout.failed_version) == (Stage.ROLLED_BACK, "new")
    assert set(at.sim.versions) == {"old"}
    assert at.sim.plan(at.effective, desired, at.trial).phase is Phase.ROLLED_BACK


def test_scale_steps_of_a_finished_trial_are_not_made_again() -> None:
    at = Life(Sim(most=8, surge=1), desired=3)
    at.step()
    at.sim.start(3)
    at.step()
    plan = at.sim.plan(at.effective, 3, at.trial)
    assert not [one for one in plan.steps if isinstance(one, Scale)]
