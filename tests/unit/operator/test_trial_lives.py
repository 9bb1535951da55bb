"""Trials in whole lives of arbitrary fleets: every step stays in its bounds, and every life may end well."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace

from hypothesis import given
from hypothesis import strategies as st

from headrace_operator.api.rollout import Gate, Rollout
from headrace_operator.api.status import RolloutStatus
from headrace_operator.core.evidence import Runs, Work
from headrace_operator.core.rollout import Create, Phase, Scale, Trial
from headrace_operator.core.trial import Seen, Stage, advance
from headrace_operator.seams.runtime import Exit
from support.rollout_sim import Sim, Workers

NOW = 1_900_000_000.0
SPEC = Rollout(gate=Gate(jobs=10, error_percent=10, timeout_seconds=60), progress_deadline_seconds=600)
CRASH = (Exit("pod/worker/1", "exit code 1"), Exit("pod/worker/2", "exit code 1"))


@dataclass
class Life:
    """A simulated fleet with the gate before it. Every step looks, judges, plans and carries out once."""

    sim: Sim
    target: str = "v0"
    desired: int = 3
    now: float = NOW
    rollout: RolloutStatus | None = None
    runs: dict[str, Runs] = field(default_factory=dict)
    canaries: int = 0
    """Workers of the target before the last step."""

    def step(self) -> None:
        states = self.sim.states()
        crashing = [replace(one, exits=CRASH if one.failing else ()) for one in states]
        sessions = {one.hash: 0 for one in states if one.ready}
        work = Work(dict(self.runs), sessions, present=frozenset(sessions))
        self.rollout = advance(self.rollout, SPEC, Seen(crashing, self.target, work, self.now))
        before = dict.fromkeys(self.sim.versions, 0) | {
            name: workers.ready for name, workers in self.sim.versions.items()
        }
        self.canaries = self.sim.versions[self.target].desired if self.target in self.sim.versions else 0
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
            if count.get(self.target) and not self.canaries:
                assert self.sim.existing <= self.desired + self.sim.surge, "the canary came without room for it"
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


WEIGHTED = (*["start"] * 6, *["end"] * 3, *["works"] * 3, "fails", "want", "target", "crashes", "time")


@given(st.integers(0, 2**32))
def test_a_long_life_stays_in_its_bounds(seed: int) -> None:
    rng = random.Random(seed)
    at = Life(Sim(most=8, surge=rng.randint(1, 3)))
    at.step()
    for _ in range(150):
        match rng.choice(WEIGHTED):
            case "want":
                live(at, "want", rng.randint(0, 8))
            case "time":
                live(at, "time", rng.choice((1, 61, 601)))
            case what:
                live(at, what, rng.randint(1, 3))
        at.step()


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
