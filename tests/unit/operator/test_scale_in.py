"""plan_scale_in: who leaves, in which order, and what is waited for. One look each, as tables."""

from __future__ import annotations

from dataclasses import replace

import pytest

from headrace.contract.stats import QueueStats, WorkerPresence
from headrace_operator.core.departure import Departure
from headrace_operator.core.member import Member, members
from headrace_operator.core.scale_in import (
    Aim,
    Cordon,
    Fleet,
    Lift,
    Limits,
    Lower,
    Lowering,
    Memory,
    Step,
    plan_scale_in,
)
from headrace_operator.seams.runtime import WorkerPhase, WorkerState

NOW = 1000.0
LIMITS = Limits(patience=30, settle=1)


def free(name: str, leases: int = 0, *, age: float = 100, aimed: bool = False) -> Member:
    """A ready worker that gets jobs."""
    return Member(name, "v", ready=True, started=NOW - age, aimed=aimed, sessions=1, leases=leases)


def barred(name: str, leases: int = 0, *, age: float = 100, aimed: bool = False) -> Member:
    """A ready worker that gets none."""
    return replace(free(name, leases, age=age, aimed=aimed), cordoned=1)


def starting(name: str, *, aimed: bool = False) -> Member:
    """One that has not come to Redis yet."""
    return Member(name, "v", ready=False, started=NOW, aimed=aimed, joined=False)


def fleet(*found: Member, desired: int | None = None) -> Fleet:
    return Fleet(found, {"v": len(found) if desired is None else desired})


def waited(seconds: float, *aimed: str, settled: bool = True) -> Memory:
    """A memory of a lowering to one worker that has waited so long."""
    since = NOW - (2 if settled else 0.5)
    return Memory(frozenset(aimed), since, Lowering("v", 1), NOW - seconds)


def shown(steps: tuple[Step, ...]) -> list[tuple[object, ...]]:
    """Steps without their reasons, workers in order."""
    told: list[tuple[object, ...]] = []
    for step in steps:
        assert step.reason
        match step:
            case Cordon(workers) | Lift(workers) | Aim(workers):
                told.append((type(step), *sorted(workers)))
            case Lower():
                told.append((Lower, step.replicas, *sorted(step.aimed)))
    return told


LOOKS: list[tuple[str, Fleet, int, Memory, list[tuple[object, ...]]]] = [
    ("the idle one first", fleet(free("a", 1), free("b"), free("c", 2)), 2, Memory(), [(Cordon, "b")]),
    ("of idle ones the youngest", fleet(free("a"), free("b", age=5), free("c")), 2, Memory(), [(Cordon, "b")]),
    ("else the least busy", fleet(free("a", 3), free("b", 1), free("c", 2)), 1, Memory(), [(Cordon, "b", "c")]),
    ("it finishes what it has", fleet(free("a", 3), barred("b", 1)), 1, waited(5), [(Cordon, "b")]),
    ("another has become idle", fleet(free("a"), barred("b", 1)), 1, waited(5), [(Cordon, "a"), (Lift, "b")]),
    ("a less busy one does not count", fleet(free("a", 1), barred("b", 2)), 1, waited(5), [(Cordon, "b")]),
    ("without a job it is aimed at", fleet(free("a", 1), barred("b")), 1, waited(1), [(Cordon, "b"), (Aim, "b")]),
    (
        "the aim has to settle",
        fleet(free("a", 1), barred("b", aimed=True)),
        1,
        waited(1, "b", settled=False),
        [(Cordon, "b")],
    ),
    (
        "an aim seen for the first time too",
        fleet(free("a", 1), barred("b", aimed=True)),
        1,
        waited(1, settled=True),
        [(Cordon, "b")],
    ),
    (
        "then the count is lowered",
        fleet(free("a", 1), barred("b", aimed=True)),
        1,
        waited(1, "b"),
        [(Cordon, "b"), (Lower, 1, "b")],
    ),
    (
        "by those that are aimed at only",
        fleet(free("a", 1), barred("b", aimed=True), barred("c"), barred("d", 1)),
        1,
        waited(1, "b"),
        [(Cordon, "b", "c", "d"), (Lower, 3, "b")],
    ),
    (
        "one that isn't ready would be deleted before the aimed one",
        fleet(free("a", 1), barred("b", aimed=True), starting("c")),
        1,
        waited(1, "b"),
        [(Cordon, "b"), (Aim, "b", "c")],
    ),
    (
        "who got a job after all is no target",
        fleet(free("a", 1), barred("b", 1, aimed=True), barred("c")),
        1,
        waited(1, "b"),
        [(Cordon, "b", "c"), (Aim, "c")],
    ),
    (
        "nobody may go any more",
        fleet(free("a", 2), barred("b", 1, aimed=True)),
        1,
        waited(1, "b"),
        [(Cordon, "b"), (Aim,)],
    ),
    ("patience ends", fleet(free("a", 2), barred("b", 1)), 1, waited(31), [(Cordon, "b"), (Aim, "b")]),
    (
        "then it goes with its job",
        fleet(free("a", 2), barred("b", 1, aimed=True)),
        1,
        waited(31, "b"),
        [(Cordon, "b"), (Lower, 1, "b")],
    ),
    (
        "one that isn't ready goes first, uncordoned",
        fleet(free("a"), starting("b"), free("c")),
        2,
        Memory(),
        [(Aim, "b")],
    ),
    (
        "a busy one that isn't ready holds up the others: it would go first",
        fleet(free("a"), replace(barred("b", 1), ready=False), barred("c")),
        1,
        waited(1),
        [(Cordon, "b", "c")],
    ),
    (
        "ready, and unknown to a queue: idle perhaps",
        fleet(free("a", 1), replace(free("b"), joined=False)),
        1,
        Memory(),
        [(Cordon, "a")],
    ),
    (
        "the last step is still to be taken",
        fleet(free("a"), barred("b", aimed=True), free("c"), desired=2),
        1,
        waited(1, "b"),
        [(Cordon, "b")],
    ),
    ("who was never made needs no aim", fleet(free("a"), free("b"), desired=4), 1, Memory(), [(Lower, 2)]),
    ("and perhaps that is enough", fleet(free("a"), free("b"), desired=4), 3, Memory(), [(Lower, 3)]),
]


@pytest.mark.parametrize(("seen", "wanted", "memory", "steps"), [case[1:] for case in LOOKS], ids=[c[0] for c in LOOKS])
def test_a_look(seen: Fleet, wanted: int, memory: Memory, steps: list[tuple[object, ...]]) -> None:
    lowering = Lowering("v", wanted)
    memory = replace(memory, waiting_for=memory.waiting_for and lowering)
    assert shown(plan_scale_in(seen, lowering, memory, LIMITS, NOW).steps) == steps


BACK: list[tuple[str, Fleet, list[tuple[object, ...]]]] = [
    ("nothing to do", fleet(free("a"), free("b", 3)), []),
    ("all stay", fleet(barred("a"), barred("b", aimed=True)), [(Lift, "a", "b"), (Aim,)]),
    (
        "one is still to be chosen",
        fleet(barred("a"), barred("b", aimed=True), free("c"), desired=2),
        [(Cordon, "a", "b")],
    ),
    (
        "in another version nobody is",
        Fleet((replace(barred("a", aimed=True), version="w"), barred("b", aimed=True), free("c")), {"v": 1, "w": 1}),
        [(Cordon, "b"), (Lift, "a"), (Aim, "b")],
    ),
]


@pytest.mark.parametrize(("seen", "steps"), [case[1:] for case in BACK], ids=[c[0] for c in BACK])
def test_nobody_else_is_to_leave(seen: Fleet, steps: list[tuple[object, ...]]) -> None:
    found = plan_scale_in(seen, None, waited(5), LIMITS, NOW)
    assert shown(found.steps) == steps
    assert found.message == ""


def test_unknown_queues_hold_everything_and_patience_begins_anew() -> None:
    found = plan_scale_in(None, Lowering("v", 1), waited(29), LIMITS, NOW)
    assert found.steps == ()
    assert "once it is known" in found.message
    busy = fleet(free("a", 1), barred("b", 1))
    assert shown(plan_scale_in(busy, Lowering("v", 1), found.memory, LIMITS, NOW + 29).steps) == [(Cordon, "b")]


def test_patience_is_about_the_lowest_number_that_was_wanted() -> None:
    busy = fleet(free("a", 1), free("b", 1), free("c", 1), free("d", 1))
    memory = Memory()
    for at, wanted in ((0.0, 2), (20.0, 3), (29.0, 2)):
        memory = plan_scale_in(busy, Lowering("v", wanted), memory, LIMITS, NOW + at).memory
        assert memory.waiting_since == NOW
    assert plan_scale_in(busy, Lowering("v", 1), memory, LIMITS, NOW + 29).memory.waiting_since == NOW + 29


MESSAGES = [
    (fleet(free("a", 1), free("b")), 1, 0, "1 leave"),
    (fleet(free("x", 9), free("a", 1), free("b", 3)), 1, 0, "2 leave once idle: waiting for b (3 jobs), a (1 job)"),
    (
        fleet(*(free(name, 1) for name in "abcdef")),
        1,
        0,
        "5 leave once idle: waiting for a (1 job), b (1 job), c (1 job), 2 more",
    ),
    (fleet(free("x", 9), free("a", 1), free("b")), 1, 31, "2 leave, 1 of them after a drain"),
]


@pytest.mark.parametrize(("seen", "wanted", "for_", "message"), MESSAGES)
def test_what_it_waits_for(seen: Fleet, wanted: int, for_: float, message: str) -> None:
    assert plan_scale_in(seen, Lowering("v", wanted), waited(for_), LIMITS, NOW).message == message


def test_who_went_is_known_once_nobody_is_to_be_chosen() -> None:
    before = fleet(free("a"), barred("b", aimed=True), barred("c", 2, aimed=True), free("d"))
    step = Lower("v", 2, ("b", "c"), ("b",), "patience is over")
    memory = Memory().lowered(step, before)
    chosen = replace(before, desired={"v": 2})
    found = plan_scale_in(chosen, None, memory, LIMITS, NOW)
    assert found.left is None
    after = fleet(free("a"), free("c", 2, aimed=True))
    found = plan_scale_in(after, None, found.memory, LIMITS, NOW)
    assert found.left == Departure("v", 4, 2, idle=("b",), drained=(), others=("d",))
    assert "from 4 to 2 workers: 1 idle and aimed at, 0 aimed at and draining, 1 others" in str(found.left)
    assert plan_scale_in(after, None, found.memory, LIMITS, NOW).left is None


def test_another_leader_tells_who_went_too() -> None:
    chosen = fleet(free("a"), barred("b", aimed=True), barred("c", 2, aimed=True), desired=1)
    found = plan_scale_in(chosen, None, Memory(), LIMITS, NOW)
    left = plan_scale_in(fleet(free("a")), None, found.memory, LIMITS, NOW).left
    assert left == Departure("v", 3, 1, idle=("b",), drained=("c",), others=())


def presence(worker: str, *, leases: int = 0, cordoned: bool = False) -> WorkerPresence:
    return WorkerPresence(
        sid=f"s-{worker}-{leases}", worker=worker, version="v", slots=4, running=leases, draining=False, protocol=1,
        started_ms=0, leases=leases, cordoned=cordoned,
    )  # fmt: skip


def test_a_member_is_the_sum_of_its_sessions_on_all_queues() -> None:
    workers = [
        WorkerState("a", "v", WorkerPhase.READY, 5.0, aimed=True),
        WorkerState("b", "v", WorkerPhase.READY, 6.0),
        WorkerState("c", "v", WorkerPhase.TERMINATING, 7.0),
        WorkerState("d", "v", WorkerPhase.FAILED, 8.0),
    ]
    one = QueueStats(queue="one", now_ms=0, workers=(presence("a", leases=2, cordoned=True), presence("b")))
    two = QueueStats(queue="two", now_ms=0, workers=(presence("a", leases=1), presence("by-hand", leases=9)))
    assert members(workers, [one, two]) == (
        Member("a", "v", ready=True, started=5.0, aimed=True, sessions=2, cordoned=1, leases=3),
        Member("b", "v", ready=True, started=6.0, joined=False, sessions=1),
        Member("d", "v", ready=False, started=8.0, joined=False),
    )
