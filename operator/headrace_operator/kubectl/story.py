"""A WorkerQueue in English: why it has the workers that it has, and what is not as it should be. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

Json = Mapping[str, Any]
_SHOWN: Final = 5
_GOOD: Final = {
    "Ready": "True",
    "RedisAvailable": "True",
    "BreakerOpen": "False",
    "Paused": "False",
    "DeadLettersPresent": "False",
}
"""Conditions worth a line when they are anything else."""
_INPUTS: Final = {"ready": "ready", "due": "due", "leased": "in flight", "scheduled": "scheduled"}


def explain(body: Json) -> Iterator[str]:
    """Lines about a WorkerQueue as the API server has it."""
    status: Json = body.get("status") or {}
    decision: Json | None = status.get("lastDecision")
    if decision is None:
        yield "The operator has decided nothing yet: is one running that watches this namespace?"
    else:
        yield from _decision(decision, status)
    yield from _wrong(status)
    if (rollout := status.get("rollout")) is not None and rollout.get("message"):
        yield f"Rollout, {rollout['phase']}: {rollout['message']}."
    if (replay := status.get("replay")) is not None:
        yield f"Replay {replay['requestId']}, {replay['phase']}: {replay.get('message') or replay['request']}."
    yield from _before(status.get("decisions", ()))


def _decision(decision: Json, status: Json) -> Iterator[str]:
    desired = decision["desired"]
    wanted = f"{desired} {'worker is' if desired == 1 else 'workers are'} wanted"
    workers = f"{wanted}, {status.get('replicas', 0)} asked for"
    yield f"{workers}, {status.get('readyReplicas', 0)} ready: {decision['message']}."
    inputs: Json = decision["inputs"]
    known = [f"{inputs[name]} {word}" for name, word in _INPUTS.items() if inputs.get(name) is not None]
    jobs = f"jobs {', '.join(known)}" if known else "no numbers, since Redis could not be read"
    yield f"Decided {decision['time']} ({decision['reason']}) from {jobs}; {inputs['backlogPerReplica']} jobs a worker."
    if limit := decision.get("limitedBy"):
        until = decision.get("nextEligibleTime")
        yield f"Held back by {limit}" + (f" until {until}." if until else ".")


def _wrong(status: Json) -> Iterator[str]:
    for condition in status.get("conditions", ()):
        wanted = _GOOD.get(condition["type"])
        if wanted is not None and condition["status"] != wanted:
            said = f"{condition['type']} is {condition['status']} since {condition['lastTransitionTime']}"
            yield f"{said} ({condition['reason']}): {condition.get('message') or 'no more is known'}."


def _before(decisions: Any) -> Iterator[str]:
    for one in list(decisions)[:_SHOWN]:
        yield f"  {one['time']}  {one['desired']} workers, {one['reason']}: {one['message']}"


def summary(body: Json) -> dict[str, Any]:
    """The same as fields, for `kubectl headrace status`."""
    status: Json = body.get("status") or {}
    jobs: Json = status.get("queue") or {}
    conditions = {one["type"]: one for one in status.get("conditions", ())}
    shown = {
        "name": body["metadata"]["name"],
        "namespace": body["metadata"]["namespace"],
        "queues": [queue["name"] for queue in body["spec"]["queues"]],
        "ready": conditions.get("Ready", {}).get("status", "Unknown"),
        "replicas": status.get("replicas", 0),
        "readyReplicas": status.get("readyReplicas", 0),
        "jobs": {name: jobs.get(name) for name in ("ready", "scheduled", "leased", "dead")},
        "rollout": (status.get("rollout") or {}).get("phase"),
        "paused": conditions.get("Paused", {}).get("status") == "True",
        "why": (status.get("lastDecision") or {}).get("reason"),
    }
    return shown | {"conditions": {kind: f"{one['status']} ({one['reason']})" for kind, one in conditions.items()}}
