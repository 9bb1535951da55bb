"""What is seen of workers and runs, and what of it speaks against more workers: tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from headrace_operator.api.breaker import Breaker
from headrace_operator.api.status import RolloutStatus
from headrace_operator.core.evidence import Runs, Work
from headrace_operator.core.observation import Observation, Totals, Unavailable, Unknown
from headrace_operator.core.symptoms import BreakerReason, Recent, Sight, Symptoms, remember, symptoms, tried
from headrace_operator.seams.runtime import Trouble, TroubleKind, VersionState, WorkerPhase, WorkerState

NOW = 1_900_000_000.0
SPEC = Breaker(error_percent=40, runs=10, window_seconds=100, unschedulable_seconds=60)
AWAY = Unavailable(Unknown.TIMED_OUT, "redis did not answer")
UNREAD = Unavailable(Unknown.NOT_YET_READ, "not read yet")
LOOP, SPIKE, NO_NODE = BreakerReason.CRASH_LOOP, BreakerReason.FAILURE_SPIKE, BreakerReason.UNSCHEDULABLE


def worker(trouble: Trouble | None = None, message: str = "", version: str = "v", **more: Any) -> WorkerState:
    phase = more.pop("phase", WorkerPhase.READY if trouble is None else WorkerPhase.FAILED)
    return WorkerState("w", version, phase, NOW - 999, message, trouble=trouble, **more)


def crashing(ago: float = 5, version: str = "v", message: str = "exit code 1", **more: Any) -> WorkerState:
    return worker(Trouble(TroubleKind.CRASH_LOOP, NOW - ago), message, version, **more)


def waiting(ago: float, version: str = "v") -> WorkerState:
    return worker(Trouble(TroubleKind.UNSCHEDULABLE, NOW - ago), "Unschedulable: no cpu", version)


FINE = worker()


def sight(*workers: WorkerState, stats: Totals | Unavailable | None = None, **more: Any) -> Sight:
    seen = Observation(stats or Totals(), workers=workers, target="v")
    return Sight(seen, more.pop("work", Work()), more.pop("on_trial", frozenset()), NOW, **more)


def reasons(found: Symptoms) -> list[str]:
    return [one.reason for one in found.present]


WORKERS: list[tuple[str, tuple[WorkerState, ...], list[str]]] = [
    ("nobody", (), []),
    ("all is well", (FINE, FINE), []),
    ("the only one crashes", (crashing(),), [LOOP]),
    ("half of them", (crashing(), FINE), [LOOP]),
    ("fewer than half", (crashing(), FINE, FINE), []),
    ("two of five", (crashing(), crashing(), FINE, FINE, FINE), []),
    ("one that starts counts as one that may be well", (crashing(), worker(phase=WorkerPhase.STARTING), FINE), []),
    ("one that failed in another way", (worker(phase=WorkerPhase.FAILED),), []),
    ("one that leaves counts for nothing", (crashing(), worker(phase=WorkerPhase.TERMINATING), FINE), [LOOP]),
    ("nor does its crash", (crashing(phase=WorkerPhase.TERMINATING),), []),
    ("no node yet", (waiting(59),), []),
    ("no node for too long", (waiting(60),), [NO_NODE]),
    ("one is enough", (waiting(60), FINE, FINE, FINE), [NO_NODE]),
    ("both", (waiting(60), crashing()), [LOOP, NO_NODE]),
    ("the canary's crash is the gate's matter", (crashing(version="new"), FINE), []),
    ("and its node", (waiting(999, version="new"), FINE), []),
    ("nor is a canary well for the others", (crashing(), worker(version="new"), worker(version="new")), [LOOP]),
]


@pytest.mark.parametrize(("name", "workers", "expected"), WORKERS, ids=[row[0] for row in WORKERS])
def test_workers(name: str, workers: tuple[WorkerState, ...], expected: list[str]) -> None:
    found = symptoms(SPEC, sight(*workers, on_trial=frozenset({"new"})))
    assert reasons(found) == expected, name


def test_messages_have_the_numbers_and_what_most_say() -> None:
    said = (crashing(message="exit code 2"), crashing(message="exit code 2"), crashing(), FINE)
    [one] = symptoms(SPEC, sight(*said)).present
    assert one.message == "3 of 4 workers crash again and again: exit code 2"
    [one] = symptoms(SPEC, sight(crashing())).present
    assert one.message == "the only worker crashes again and again: exit code 1"
    [one] = symptoms(SPEC, sight(crashing(), FINE)).present
    assert one.message == "1 of 2 workers crashes again and again: exit code 1"
    [one] = symptoms(SPEC, sight(crashing(message="b"), crashing(message="a"))).present
    assert one.message.endswith(": a"), "the same at every look"
    [one] = symptoms(SPEC, sight(waiting(70))).present
    assert one.message == "no node for 1 worker within 60 s: Unschedulable: no cpu"


def test_who_crashed_while_redis_was_away_is_excused_until_the_next_time() -> None:
    after = sight(crashing(5), recent=Recent(away_until=NOW - 4))
    assert reasons(symptoms(SPEC, after)) == []
    assert reasons(symptoms(SPEC, replace(after, recent=Recent(away_until=NOW - 6)))) == [LOOP]


@pytest.mark.parametrize("unknown", [{"stats": AWAY}, {"stats": UNREAD, "work": None}, {"work": None}])
def test_what_is_unknown_is_no_symptom_and_no_health(unknown: dict[str, Any]) -> None:
    found = symptoms(SPEC, sight(crashing(), waiting(99), **unknown))
    assert (found.present, found.unclear) == ((), frozenset(BreakerReason))


def worked(
    before: Mapping[str, Runs], recent: Mapping[str, Runs], *, age: float = 200, paused: bool = False, **more: Any
) -> Sight:
    """`before` when the operator began to look `age` seconds ago, and `recent` runs since, all of them recent."""
    first = replace(sight(work=Work(before), **more), now=NOW - age)
    first = replace(first, recent=remember(SPEC, first))
    runs = {
        version: Runs(
            before.get(version, Runs()).completed + recent.get(version, Runs()).completed,
            before.get(version, Runs()).failed + recent.get(version, Runs()).failed,
        )
        for version in before.keys() | recent.keys()
    }
    now = replace(first, work=Work(runs, paused=paused), now=NOW)
    return replace(now, recent=remember(SPEC, now))


RUNS: list[tuple[str, Sight, list[str]]] = [
    ("nothing has run", worked({"v": Runs()}, {}), []),
    ("all failed", worked({"v": Runs()}, {"v": Runs(0, 10)}), [SPIKE]),
    ("too few to tell", worked({"v": Runs()}, {"v": Runs(0, 9)}), []),
    ("a few more than usual", worked({"v": Runs(100)}, {"v": Runs(6, 4)}), []),
    ("more than that", worked({"v": Runs(100)}, {"v": Runs(59, 41)}), [SPIKE]),
    ("they always do", worked({"v": Runs(50, 50)}, {"v": Runs(10, 90)}), []),
    ("but not that often", worked({"v": Runs(50, 50)}, {"v": Runs(9, 91)}), [SPIKE]),
    ("too few before to call it usual", worked({"v": Runs(0, 9)}, {"v": Runs(0, 10)}), [SPIKE]),
    ("enough before", worked({"v": Runs(0, 10)}, {"v": Runs(0, 10)}), []),
    ("what old versions did was usual too", worked({"v": Runs(), "*": Runs(0, 50)}, {"v": Runs(0, 10)}), []),
    (
        "what versions on trial did was not",
        worked({"v": Runs(100), "new": Runs(0, 900)}, {"v": Runs(0, 10)}, on_trial=frozenset({"new"})),
        [SPIKE],
    ),
    (
        "nor do they make a spike",
        worked({"v": Runs(100), "new": Runs()}, {"new": Runs(0, 90)}, on_trial=frozenset({"new"})),
        [],
    ),
    ("paused after a spike", worked({"v": Runs()}, {"v": Runs(0, 10)}, paused=True), [SPIKE]),
]


@pytest.mark.parametrize(("name", "at", "expected"), RUNS, ids=[row[0] for row in RUNS])
def test_runs(name: str, at: Sight, expected: list[str]) -> None:
    found = symptoms(SPEC, at)
    assert (reasons(found), found.unclear) == (expected, frozenset()), name


def test_a_spike_says_how_many_and_how_many_usually() -> None:
    [one] = symptoms(SPEC, worked({"v": Runs(97, 3)}, {"v": Runs(2, 18)})).present
    assert (one.message, one.usual_percent) == ("18 of 20 runs within 100 s failed, 3 % are usual", 3)


def test_while_it_lasts_what_was_usual_before_counts() -> None:
    lasting = worked({"v": Runs(10, 90)}, {"v": Runs(1, 19)})
    assert symptoms(SPEC, lasting).present == ()
    [one] = symptoms(SPEC, lasting, usual_percent=5).present
    assert one.usual_percent == 5
    assert symptoms(SPEC, lasting, usual_percent=55).present == ()


@pytest.mark.parametrize(
    ("age", "paused", "known"), [(99, False, False), (100, False, True), (100, True, False), (5, True, False)]
)
def test_few_runs_prove_nothing_in_a_young_window_or_on_pause(age: float, paused: bool, known: bool) -> None:
    found = symptoms(SPEC, worked({"v": Runs()}, {"v": Runs(0, 3)}, age=age, paused=paused))
    assert (found.present, SPIKE not in found.unclear) == ((), known)


def test_enough_runs_tell_even_in_a_young_window() -> None:
    found = symptoms(SPEC, worked({"v": Runs(100)}, {"v": Runs(10)}, age=1))
    assert (found.present, found.unclear) == ((), frozenset())


def test_what_ran_while_nobody_looked_is_not_recent() -> None:
    """An outage's worth of runs would come all at once."""
    before = worked({"v": Runs(100)}, {"v": Runs(1)})
    away = replace(before, seen=Observation(AWAY), now=NOW + 10)
    recent = remember(SPEC, away)
    assert (recent.window, recent.away_until) == (None, NOW + 10)
    unread = replace(away, seen=Observation(UNREAD), work=None, recent=recent, now=NOW + 20)
    assert remember(SPEC, unread) == Recent(None, NOW + 10), "what hasn't been read yet is not away"
    back = replace(before, work=Work({"v": Runs(101, 500)}), recent=recent, now=NOW + 30)
    back = replace(back, recent=remember(SPEC, back))
    found = symptoms(SPEC, back)
    assert (found.present, found.unclear) == ((), frozenset({SPIKE}))
    assert back.recent.away_until == NOW + 10


def test_a_clock_put_back_excuses_nobody_for_longer() -> None:
    past = replace(sight(), recent=Recent(away_until=NOW + 3600))
    assert remember(SPEC, past).away_until == NOW


def version(name: str, desired: int) -> VersionState:
    return VersionState(name, desired, ready=desired, terminating=0)


TRIED: list[tuple[str, str, tuple[VersionState, ...], tuple[str, ...], set[str]]] = [
    ("the only one", "v", (version("v", 3),), (), set()),
    ("an old one has gone", "v", (version("old", 0), version("v", 3)), (), set()),
    ("it replaces another", "v", (version("old", 1), version("v", 3)), (), {"v"}),
    ("on trial", "v", (version("old", 3), version("v", 1)), ("v",), {"v"}),
    ("rolled back, its workers yet to go", "old", (version("old", 3), version("v", 1)), ("v",), {"v"}),
    ("a second trial", "w", (version("old", 3), version("v", 1), version("w", 1)), ("w", "v"), {"v", "w"}),
]


@pytest.mark.parametrize(("name", "target", "versions", "unproven", "expected"), TRIED, ids=[row[0] for row in TRIED])
def test_whose_failures_are_the_rollouts_matter(
    name: str, target: str, versions: tuple[VersionState, ...], unproven: tuple[str, ...], expected: set[str]
) -> None:
    rollout = RolloutStatus(phase="Canary", stable="old", unproven=unproven) if unproven else None
    assert tried(Observation(Totals(), versions, target), rollout) == expected, name
