"""plan_rollout: single plans as a table, and whole rollouts of arbitrary fleets to their end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace_operator.core.rollout import Create, Phase, Remove, Scale, Step, Trial, plan_rollout
from headrace_operator.core.trial import Stage
from headrace_operator.seams.runtime import VersionState
from support.rollout_sim import Sim, Workers


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


CANARY = Trial(Stage.CANARY, "n", "a", "waits")
HELD = Trial(Stage.CANARY, "n", "a", "waits", may_start=False)
REPLACING = Trial(Stage.REPLACING, "n", "a", "20 of 20")
BACK = Trial(Stage.ROLLED_BACK, "n", "a", "it failed")

TRIALS: list[tuple[str, Trial, list[VersionState], int, list[Step], Phase]] = [
    ("a canary beside all old ones", CANARY, [version("a", 3)], 3, [Create("n"), Scale("n", 1)], Phase.CANARY),
    ("and nobody goes for it", CANARY, [version("a", 3), version("n", 1)], 3, [], Phase.CANARY),
    ("not before it may start", HELD, [version("a", 3)], 3, [Create("n")], Phase.CANARY),
    ("it is told no lie when it runs", HELD, [version("a", 3), version("n", 1)], 3, [], Phase.CANARY),
    ("no room yet", CANARY, [version("a", 3, gone=1), version("n", 0)], 3, [], Phase.CANARY),
    ("the old one grows", CANARY, [version("a", 3), version("n", 1)], 6, [Scale("a", 6)], Phase.CANARY),
    ("and shrinks", CANARY, [version("a", 3), version("n", 1)], 2, [Scale("a", 2)], Phase.CANARY),
    ("both go to zero", CANARY, [version("a", 3), version("n", 1)], 0, [Scale("a", 0), Scale("n", 0)], Phase.CANARY),
    ("both stay at zero", CANARY, [version("a", 0), version("n", 0)], 0, [], Phase.CANARY),
    ("both wake", CANARY, [version("a", 0), version("n", 0)], 1, [Scale("a", 1), Scale("n", 1)], Phase.CANARY),
    ("at the maximum too", CANARY, [version("a", 10), version("n", 0)], 10, [Scale("n", 1)], Phase.CANARY),
    ("it can't run", CANARY, [version("a", 3), version("n", 1, 0, why="no image")], 3, [], Phase.FAILING),
    (
        "one on trial before it makes room",
        CANARY,
        [version("a", 3), version("b", 1)],
        3,
        [Scale("b", 0), Create("n")],
        Phase.CANARY,
    ),
    (
        "what had replaced some goes as the stable ones come",
        CANARY,
        [version("a", 2, 1), version("n", 3)],
        3,
        [Scale("a", 3), Scale("n", 2)],
        Phase.CANARY,
    ),
    (
        "step by step after the gate",
        REPLACING,
        [version("a", 3), version("n", 1)],
        3,
        [Scale("a", 2)],
        Phase.ROLLING_OUT,
    ),
    ("the old one is kept", REPLACING, [version("a", 0), version("n", 3)], 3, [], Phase.COMPLETE),
    ("a failed canary stops", BACK, [version("a", 3), version("n", 1)], 3, [Scale("n", 0)], Phase.ROLLED_BACK),
    (
        "half a rollout goes back at once",
        BACK,
        [version("a", 1), version("n", 2)],
        3,
        [Scale("n", 0), Scale("a", 3)],
        Phase.ROLLED_BACK,
    ),
    ("what has failed is forgotten", BACK, [version("a", 3), version("n", 0)], 3, [Remove("n")], Phase.ROLLED_BACK),
    ("and not made again", BACK, [version("a", 3)], 3, [], Phase.ROLLED_BACK),
    ("the stable one scales", BACK, [version("a", 3)], 5, [Scale("a", 5)], Phase.ROLLED_BACK),
    ("also to zero", BACK, [version("a", 3)], 0, [Scale("a", 0)], Phase.ROLLED_BACK),
    ("the stable one can't run either", BACK, [version("a", 3, 0, why="no node")], 3, [], Phase.FAILING),
]


@pytest.mark.parametrize(
    ("name", "trial", "versions", "desired", "steps", "phase"), TRIALS, ids=[row[0] for row in TRIALS]
)
def test_plan_of_a_trial(
    name: str, trial: Trial, versions: list[VersionState], desired: int, steps: list[Step], phase: Phase
) -> None:
    target = "a" if trial.stage is Stage.ROLLED_BACK else "n"
    plan = plan_rollout(versions, target, desired, max_surge=1, max_replicas=10, trial=trial)
    assert (list(plan.steps), plan.phase) == (steps, phase), name
    assert plan.message


def test_a_worker_that_goes_makes_no_room_for_the_canary_before_it_has_ended() -> None:
    versions = [version("a", 2), version("b", 2)]
    plan = plan_rollout(versions, "n", 3, max_surge=2, max_replicas=10, trial=CANARY)
    assert plan.steps == (Scale("b", 1), Scale("a", 3), Create("n")), "these are 5 until one of b has ended"


@pytest.mark.parametrize(("name", "versions", "desired", "steps", "phase"), PLANS, ids=[row[0] for row in PLANS])
def test_plan(name: str, versions: list[VersionState], desired: int, steps: list[Step], phase: Phase) -> None:
    plan = plan_rollout(versions, "n", desired, max_surge=1, max_replicas=10)
    assert (list(plan.steps), plan.phase) == (steps, phase), name
    assert plan.message


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
