"""`kubectl headrace explain` and `status`: what they make of a WorkerQueue as the API server has it."""

from __future__ import annotations

from typing import Any

import pytest

from headrace_operator.kubectl.story import explain, summary

DECISION = {
    "time": "2026-11-23T10:00:00Z",
    "desired": 5,
    "reason": "StepLimited",
    "message": "5 of 9 workers, as fast as scaleUp allows",
    "inputs": {"ready": 40, "due": 0, "leased": 5, "currentReplicas": 2, "backlogPerReplica": 5},
    "limitedBy": "scaleUp",
    "nextEligibleTime": "2026-11-23T10:00:15Z",
}


def body(**status: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "emails", "namespace": "mail"},
        "spec": {"queues": [{"name": "emails"}, {"name": "slow"}]},
        "status": status,
    }


def condition(kind: str, status: str, message: str = "") -> dict[str, str]:
    return {
        "type": kind,
        "status": status,
        "reason": "Because",
        "message": message,
        "lastTransitionTime": "2026-11-23T09:00:00Z",
    }


STORIES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "nothing yet": ({}, ["The operator has decided nothing yet: is one running that watches this namespace?"]),
    "limited": (
        {"lastDecision": DECISION, "replicas": 5, "readyReplicas": 2},
        [
            "5 workers are wanted, 5 asked for, 2 ready: 5 of 9 workers, as fast as scaleUp allows.",
            "Decided 2026-11-23T10:00:00Z (StepLimited) from jobs 40 ready, 0 due, 5 in flight; 5 jobs a worker.",
            "Held back by scaleUp until 2026-11-23T10:00:15Z.",
        ],
    ),
    "blind": (
        {
            "lastDecision": {
                "time": "T",
                "desired": 2,
                "reason": "StatsUnavailable",
                "message": "nobody knows",
                "inputs": {"currentReplicas": 2, "backlogPerReplica": 5},
            },
            "conditions": [condition("RedisAvailable", "False", "refused"), condition("Ready", "True")],
        },
        [
            "2 workers are wanted, 0 asked for, 0 ready: nobody knows.",
            "Decided T (StatsUnavailable) from no numbers, since Redis could not be read; 5 jobs a worker.",
            "RedisAvailable is False since 2026-11-23T09:00:00Z (Because): refused.",
        ],
    ),
    "stopped": (
        {
            "lastDecision": {
                **DECISION,
                "reason": "BreakerOpen",
                "limitedBy": "scaling.breaker",
                "nextEligibleTime": None,
            },
            "conditions": [
                condition("BreakerOpen", "True", "2 of 2 workers crash again and again: exit code 1"),
                condition("Paused", "False"),
            ],
        },
        [
            "5 workers are wanted, 0 asked for, 0 ready: 5 of 9 workers, as fast as scaleUp allows.",
            "Decided 2026-11-23T10:00:00Z (BreakerOpen) from jobs 40 ready, 0 due, 5 in flight; 5 jobs a worker.",
            "Held back by scaling.breaker.",
            "BreakerOpen is True since 2026-11-23T09:00:00Z (Because): "
            "2 of 2 workers crash again and again: exit code 1.",
        ],
    ),
    "all well": (
        {"conditions": [condition("BreakerOpen", "False")]},
        ["The operator has decided nothing yet: is one running that watches this namespace?"],
    ),
    "on the way": (
        {
            "rollout": {"phase": "Canary", "message": "3 of 20 jobs"},
            "replay": {"requestId": "r", "phase": "Running", "request": "all,request=r"},
            "decisions": [DECISION] * 7,
        },
        [
            "The operator has decided nothing yet: is one running that watches this namespace?",
            "Rollout, Canary: 3 of 20 jobs.",
            "Replay r, Running: all,request=r.",
            *["  2026-11-23T10:00:00Z  5 workers, StepLimited: 5 of 9 workers, as fast as scaleUp allows"] * 5,
        ],
    ),
}


@pytest.mark.parametrize("name", STORIES)
def test_explain(name: str) -> None:
    status, lines = STORIES[name]
    assert list(explain(body(**status))) == lines


def test_a_summary_of_one_that_nobody_looks_after() -> None:
    said = summary({**body(), "status": None})
    assert (said["name"], said["queues"], said["ready"], said["why"]) == ("emails", ["emails", "slow"], "Unknown", None)


def test_a_summary() -> None:
    said = summary(
        body(
            queue={"ready": 1, "scheduled": 2, "leased": 3, "dead": 4},
            conditions=[condition("Paused", "True"), condition("Ready", "True")],
            lastDecision=DECISION,
            rollout={"phase": "Complete"},
        )
    )
    assert said["jobs"] == {"ready": 1, "scheduled": 2, "leased": 3, "dead": 4}
    assert (said["paused"], said["why"], said["rollout"]) == (True, "StepLimited", "Complete")
    assert said["conditions"] == {"Paused": "True (Because)", "Ready": "True (Because)"}
