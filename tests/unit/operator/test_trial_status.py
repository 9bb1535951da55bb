"""How a trial shows: phases of versions, the condition, events, and when the status is written."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from headrace_operator.api.rollout import Rollout
from headrace_operator.api.status import RolloutStatus, WorkerQueueStatus
from headrace_operator.api.worker_queue import read_worker_queue
from headrace_operator.core.conditions import ConditionType, condition
from headrace_operator.core.decide import decide
from headrace_operator.core.events import events
from headrace_operator.core.evidence import Runs, Work
from headrace_operator.core.history import History
from headrace_operator.core.observation import Observation, Totals
from headrace_operator.core.rollout import Trial, plan_rollout
from headrace_operator.core.summary import STATUS_SECONDS, summarise, worth_writing
from headrace_operator.core.trial import Seen, Stage, advance
from headrace_operator.reconcile.trial import as_judged
from headrace_operator.seams.runtime import VersionState
from support.bad_queues import good_queue, patched

NOW = 1_900_000_000.0
OLD = VersionState("old", desired=2, ready=2, terminating=0, created=1.0, app="mail")
NEW = VersionState("new", desired=1, ready=1, terminating=0, created=2.0, app="mail")
BEGUN = advance(None, Rollout(), Seen([OLD], "new", Work(), NOW))


def judged(*versions: VersionState, last: RolloutStatus = BEGUN, now: float = NOW, **runs: Runs) -> RolloutStatus:
    return advance(last, Rollout(), Seen(versions, "new", Work(runs, present=frozenset({"new"})), now))


def status_of(
    rollout: RolloutStatus, *versions: VersionState, last: WorkerQueueStatus | None = None
) -> WorkerQueueStatus:
    """What a reconcile that judged so would report."""
    queue = read_worker_queue(patched(good_queue(), {"metadata.generation": 7}))
    seen = as_judged(Observation(Totals(ready=60, leased=40, startable=60), versions, "new"), rollout)
    decision = decide(queue.spec, seen, History.begin(NOW - 9999, 2), NOW)
    version = rollout.candidate or rollout.failed_version
    trial = None if version is None else Trial(Stage(rollout.phase), version, rollout.stable, rollout.message)
    plan = plan_rollout(versions, seen.target, decision.desired, max_surge=1, max_replicas=8, trial=trial)
    return summarise(queue, last, seen=seen, decision=decision, plan=plan, rollout=rollout, now=NOW)


CANARY = judged(OLD, NEW)
PASSED = judged(OLD, NEW, last=CANARY, new=Runs(20))
FAILED = judged(OLD, NEW, last=CANARY, new=Runs(0, 20))
COMPLETE = judged(replace(OLD, desired=0), NEW, last=PASSED)
GONE = replace(NEW, desired=0, ready=0)

SIGHTS: list[tuple[str, WorkerQueueStatus, tuple[str, str], dict[str, str]]] = [
    ("canary", status_of(CANARY, OLD, NEW), ("True", "Canary"), {"new": "Canary", "old": "Current"}),
    ("passed", status_of(PASSED, OLD, NEW), ("True", "RollingOut"), {"new": "Current", "old": "Retiring"}),
    ("failed", status_of(FAILED, OLD, GONE), ("False", "RolledBack"), {"new": "Retiring", "old": "Current"}),
    (
        "can't run",
        status_of(CANARY, OLD, replace(NEW, ready=0, failing="no image")),
        ("False", "VersionFailing"),
        {"new": "Failing", "old": "Current"},
    ),
]


@pytest.mark.parametrize(("name", "status", "progressing", "phases"), SIGHTS, ids=[row[0] for row in SIGHTS])
def test_what_a_trial_looks_like(
    name: str, status: WorkerQueueStatus, progressing: tuple[str, str], phases: dict[str, str]
) -> None:
    found = condition(status, ConditionType.PROGRESSING)
    assert found is not None
    assert (found.status, found.reason) == progressing, name
    assert {one.hash: one.phase for one in status.versions} == phases


def test_a_rollback_says_why() -> None:
    found = condition(status_of(FAILED, OLD), ConditionType.PROGRESSING)
    assert found is not None
    assert "version new was rolled back: 20 of 20 runs failed" in found.message
    assert "old serves, 2 of 2 workers are ready" in found.message


STEADY = status_of(judged(OLD, last=RolloutStatus(phase="Complete", stable="new")), NEW)
TOLD: list[tuple[str, WorkerQueueStatus, WorkerQueueStatus, list[str]]] = [
    ("begins", STEADY, SIGHTS[0][1], ["RolloutStarted"]),
    ("goes on", SIGHTS[0][1], SIGHTS[0][1], []),
    ("passes", SIGHTS[0][1], SIGHTS[1][1], ["CanaryPassed"]),
    ("fails", SIGHTS[0][1], SIGHTS[2][1], ["RolledBack"]),
    ("fails after the gate", SIGHTS[1][1], SIGHTS[2][1], ["RolledBack"]),
    ("can't run", SIGHTS[0][1], SIGHTS[3][1], ["VersionFailing"]),
    ("can run after all", SIGHTS[3][1], SIGHTS[0][1], []),
    ("is over", SIGHTS[1][1], status_of(COMPLETE, replace(NEW, desired=2, ready=2)), ["RolloutFinished"]),
    (
        "another one is tried",
        SIGHTS[0][1],
        SIGHTS[0][1].model_copy(update={"rollout": CANARY.model_copy(update={"candidate": "newer"})}),
        ["RolloutStarted"],
    ),
    ("another one is tried after a rollback", SIGHTS[2][1], SIGHTS[0][1], ["RolloutStarted"]),
]


@pytest.mark.parametrize(("name", "before", "after", "expected"), TOLD, ids=[row[0] for row in TOLD])
def test_what_is_told(name: str, before: WorkerQueueStatus, after: WorkerQueueStatus, expected: list[str]) -> None:
    assert [event.reason for event in events(before, after)] == expected, name


def test_a_canary_that_passed_is_told_with_what_it_showed() -> None:
    [event] = events(SIGHTS[0][1], SIGHTS[1][1])
    passed = SIGHTS[1][1].rollout
    assert passed is not None
    assert passed.message
    assert event.message.startswith(f"{passed.message}; version new: ")


@pytest.mark.parametrize(
    ("change", "at_once"),
    [
        ({"jobs": 7, "failed": 1, "message": "1 of 7 runs failed"}, False),
        ({"ready_time": "2031-01-01T00:00:00Z"}, False),
        ({"ready_time": None}, True),
        ({"phase": "RolledBack"}, True),
        ({"failed_version": "new"}, True),
        ({"candidate": "newer"}, True),
        ({"unproven": ()}, True),
        ({"stable": "new"}, True),
    ],
)
def test_what_another_leader_must_know_is_written_at_once(change: dict[str, Any], at_once: bool) -> None:
    old = SIGHTS[0][1]
    assert old.rollout is not None
    assert old.rollout.ready_time is not None
    new = old.model_copy(update={"rollout": old.rollout.model_copy(update=change)})
    assert worth_writing(old, new, NOW, NOW + 1) is at_once
    assert worth_writing(old, new, NOW, NOW + STATUS_SECONDS)


def test_the_fleet_beside_a_canary_may_shrink() -> None:
    seen = as_judged(Observation(Totals(), (OLD, NEW), "new"), CANARY)
    assert (seen.rolling, seen.canary, seen.serving, seen.replicas) == (False, "new", 2, 3)
    assert as_judged(seen, PASSED).rolling


def test_after_a_rollback_the_stable_version_is_the_one_to_run() -> None:
    seen = as_judged(Observation(Totals(), (OLD,), "new"), FAILED)
    assert (seen.target, seen.rolling) == ("old", False)
