"""plan_rollout: single plans as a table, and whole rollouts of arbitrary fleets to their end."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace_operator.core.rollout import Create, Phase, Plan, Remove, Scale, Step, plan_rollout
from headrace_operator.seams.runtime import VersionState


def version(name: str, desired: int, ready: int | None = None, gone: int = 0, why: str | None = None) -> VersionState:
    """`name` with that many workers, all of them ready unless said otherwise; older letters are older."""
    ready = desired if ready is None else ready
    return VersionState(name, desired, ready, gone, why, created=float(ord(name[0])))


PLANS: list[tuple[str, list[VersionState], int, list[Step], Phase]] = [
    ("first of all, at zero", [], 0, [Create("n")], Phase.COMPLETE),
    ("first of all, with work", [], 3, [Create("n"), Scale("n", 3)], Phase.SCALING),
    ("nothing to do", [version("n", 3)], 3, [], Phase.COMPLETE),
    ("waiting for starters", [version("n", 3, 1)], 3, [], Phase.SCALING),
    ("scale up", [version("n", 3)], 5, [Scale("n", 5)], Phase.SCALING),
    ("scale in", [version("n", 5)], 3, [Scale("n", 3)], Phase.SCALING),
    ("to zero", [version("n", 5)], 0, [Scale("n", 0)], Phase.SCALING),
    ("asleep", [version("n", 0)], 0, [], Phase.COMPLETE),
    ("terminating ones count", [version("n", 4, gone=6)], 9, [Scale("n", 5)], Phase.SCALING),
    ("no room at all", [version("n", 4, gone=7)], 9, [], Phase.SCALING),
    ("switch at zero", [version("a", 0)], 0, [Create("n"), Remove("a")], Phase.COMPLETE),
    ("switch on waking", [version("a", 0), version("n", 0)], 2, [Scale("n", 2), Remove("a")], Phase.SCALING),
    (
        "pinned to zero in a rollout",
        [version("a", 2), version("n", 1)],
        0,
        [Scale("a", 0), Scale("n", 0)],
        Phase.SCALING,
    ),
    ("a rollout's first worker", [version("a", 3)], 3, [Create("n"), Scale("n", 1)], Phase.ROLLING_OUT),
    ("wait until it is ready", [version("a", 3), version("n", 1, 0)], 3, [], Phase.ROLLING_OUT),
    ("one old for one new", [version("a", 3), version("n", 1)], 3, [Scale("a", 2)], Phase.ROLLING_OUT),
    ("wait until the old one has gone", [version("a", 2, gone=1), version("n", 1)], 3, [], Phase.ROLLING_OUT),
    ("and on", [version("a", 2), version("n", 1)], 3, [Scale("n", 2)], Phase.ROLLING_OUT),
    ("the last old one", [version("a", 1), version("n", 3)], 3, [Scale("a", 0)], Phase.ROLLING_OUT),
    ("its end", [version("a", 0, gone=1), version("n", 3)], 3, [], Phase.COMPLETE),
    ("clean up", [version("a", 0), version("n", 3)], 3, [Remove("a")], Phase.COMPLETE),
    ("growth goes to the new one", [version("a", 3), version("n", 1, 0)], 6, [Scale("n", 4)], Phase.ROLLING_OUT),
    ("less is wanted meanwhile", [version("a", 3), version("n", 1)], 2, [Scale("a", 1)], Phase.ROLLING_OUT),
    ("the new one fails", [version("a", 3), version("n", 1, 0, why="crash loop")], 3, [], Phase.FAILING),
    ("the old ones grow then", [version("a", 3), version("n", 1, 0, why="x")], 6, [Scale("a", 6)], Phase.FAILING),
    ("and shrink", [version("a", 3), version("n", 1, 0, why="x")], 2, [Scale("a", 2)], Phase.FAILING),
    (
        "and go to zero",
        [version("a", 3), version("n", 1, 0, why="x")],
        0,
        [Scale("a", 0), Scale("n", 0)],
        Phase.FAILING,
    ),
    (
        "they make up for what is missing only",
        [version("a", 2), version("n", 2, why="x")],
        6,
        [Scale("a", 4)],
        Phase.FAILING,
    ),
    ("half of the new ones fail", [version("a", 2), version("n", 2, 1, why="x")], 3, [], Phase.FAILING),
    ("a lone version fails", [version("n", 2, 0, why="x")], 5, [], Phase.FAILING),
    ("a lone version fails in part", [version("n", 2, 1, why="x")], 5, [Scale("n", 5)], Phase.FAILING),
    (
        "a third version replaces the failing one first",
        [version("a", 3), version("b", 1, 0, why="x")],
        3,
        [Create("n"), Scale("b", 0)],
        Phase.ROLLING_OUT,
    ),
    (
        "of two old versions the older goes first",
        [version("b", 2), version("a", 2), version("n", 1)],
        4,
        [Scale("a", 1)],
        Phase.ROLLING_OUT,
    ),
]


@pytest.mark.parametrize(("name", "versions", "desired", "steps", "phase"), PLANS, ids=[row[0] for row in PLANS])
def test_plan(name: str, versions: list[VersionState], desired: int, steps: list[Step], phase: Phase) -> None:
    plan = plan_rollout(versions, "n", desired, max_surge=1, max_replicas=10)
    assert (list(plan.steps), plan.phase) == (steps, phase), name
    assert plan.message


@dataclass
class Workers:
    """One version in the simulation."""

    created: float
    starting: int = 0
    ready: int = 0
    terminating: int = 0
    fails: bool = False

    @property
    def desired(self) -> int:
        return self.starting + self.ready


@dataclass
class Sim:
    """A fleet whose workers start and end only when told; applies plans."""

    most: int
    surge: int
    versions: dict[str, Workers] = field(default_factory=dict)
    born: int = 0

    @property
    def existing(self) -> int:
        return sum(workers.desired + workers.terminating for workers in self.versions.values())

    @property
    def ready(self) -> int:
        return sum(workers.ready for workers in self.versions.values())

    def states(self) -> list[VersionState]:
        return [
            VersionState(
                name,
                workers.desired,
                workers.ready,
                workers.terminating,
                "crash loop" if workers.fails and workers.desired else None,
                workers.created,
            )
            for name, workers in self.versions.items()
        ]

    def plan(self, target: str, desired: int) -> Plan:
        return plan_rollout(self.states(), target, desired, max_surge=self.surge, max_replicas=self.most)

    def apply(self, plan: Plan) -> None:
        for step in plan.steps:
            match step:
                case Create(hash):
                    assert hash not in self.versions
                    self.born += 1
                    self.versions[hash] = Workers(created=self.born)
                case Scale(hash, replicas):
                    self.scale(self.versions[hash], replicas)
                case Remove(hash):
                    gone = self.versions.pop(hash)
                    assert gone.desired == gone.terminating == 0

    def scale(self, workers: Workers, replicas: int) -> None:
        assert replicas >= 0
        workers.starting += max(replicas - workers.desired, 0)
        for _ in range(workers.desired - replicas):
            workers.terminating += 1
            if workers.starting:
                workers.starting -= 1
            else:
                workers.ready -= 1

    def start(self, count: int) -> None:
        for workers in self.versions.values():
            started = 0 if workers.fails else min(count, workers.starting)
            workers.starting -= started
            workers.ready += started

    def end(self, count: int) -> None:
        for workers in self.versions.values():
            workers.terminating -= min(count, workers.terminating)


small = st.integers(0, 8)
moves = st.lists(
    st.one_of(
        st.tuples(st.just("want"), small),
        st.tuples(st.just("target"), st.integers(0, 3)),
        st.tuples(st.just("start"), small),
        st.tuples(st.just("end"), small),
        st.tuples(st.just("fail"), st.integers(0, 3)),
        st.tuples(st.just("heal"), st.integers(0, 3)),
    ),
    max_size=40,
)


@given(st.integers(1, 3), moves)
def test_any_life_stays_in_its_bounds_and_ends_well(surge: int, life: list[tuple[str, int]]) -> None:
    sim = Sim(most=8, surge=surge)
    target, desired = "v0", 3
    for what, number in life:
        match what:
            case "want":
                desired = number
            case "target":
                target = f"v{number}"
            case "start":
                sim.start(number)
            case "end":
                sim.end(number)
            case "fail" | "heal":
                if f"v{number}" in sim.versions:
                    sim.versions[f"v{number}"].fails = what == "fail"
        serving = sim.ready
        sim.apply(sim.plan(target, desired))
        assert sim.existing <= sim.most + surge
        assert sim.ready >= min(serving, desired)
    settle(sim, target, desired)


def settle(sim: Sim, target: str, desired: int) -> None:
    """From wherever it is, a healthy fleet reaches its goal."""
    for workers in sim.versions.values():
        workers.fails = False
    for _ in range(60):
        plan = sim.plan(target, desired)
        if plan.phase is Phase.COMPLETE and not plan.steps and sim.existing == desired:
            assert set(sim.versions) == {target}
            return
        sim.apply(plan)
        sim.start(1)
        sim.end(1)
    raise AssertionError(f"not settled: {sim}")


@given(st.integers(1, 8), st.integers(1, 4), st.integers(1, 3), st.integers(1, 3))
def test_a_rollout_never_has_too_few_or_too_many(desired: int, surge: int, starts: int, ends: int) -> None:
    sim = Sim(most=20, surge=surge)
    sim.versions["old"] = Workers(created=0, ready=desired)
    for _ in range(40):
        plan = sim.plan("new", desired)
        sim.apply(plan)
        assert sim.existing <= desired + surge
        assert sim.ready >= desired
        assert sum(workers.desired for workers in sim.versions.values()) >= desired
        sim.start(starts)
        sim.end(ends)
    assert {name: workers.ready for name, workers in sim.versions.items()} == {"new": desired}


@given(st.integers(1, 8), st.integers(1, 4), st.integers(0, 3))
def test_a_failing_version_costs_no_capacity(desired: int, surge: int, runs: int) -> None:
    sim = Sim(most=20, surge=surge)
    sim.versions["old"] = Workers(created=0, ready=desired)
    sim.apply(sim.plan("new", desired))
    sim.start(min(runs, desired - 1))
    sim.versions["new"].fails = True
    for _ in range(30):
        sim.apply(sim.plan("new", desired))
        assert sim.ready >= desired
        assert sim.versions["new"].desired <= min(surge, desired)
        sim.start(1)
        sim.end(1)
    assert sim.plan("new", desired).phase in (Phase.FAILING, Phase.COMPLETE)


@given(st.integers(1, 3), moves)
def test_a_plan_that_was_carried_out_is_not_made_again(surge: int, life: list[tuple[str, int]]) -> None:
    """Nothing oscillates while the world stands still."""
    sim = Sim(most=8, surge=surge)
    target, desired = "v0", 3
    for what, number in life:
        target = f"v{number}" if what == "target" else target
        desired = number if what == "want" else desired
        if what == "start":
            sim.start(number)
        if what == "end":
            sim.end(number)
        for _ in range(4):
            sim.apply(sim.plan(target, desired))
        assert not sim.plan(target, desired).steps
