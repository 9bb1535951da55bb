"""The PodDisruptionBudget of a WorkerQueue, as a value. No I/O.

It counts the pods of all versions together. A pod that isn't ready runs no job that a drain wouldn't save, so it may
always be evicted; else a worker that can't start would block every node that it is on.
"""

from __future__ import annotations

from typing import Any, Final

from headrace_operator.api.names import QUEUE_LABEL, QueueKey
from headrace_operator.runtimes.kubernetes.ownership import labels, owner_reference

Json = dict[str, Any]
_SPEC: Final = ("maxUnavailable", "minAvailable", "selector", "unhealthyPodEvictionPolicy")


def budget(key: QueueKey, owner_uid: str, most: int | str) -> Json:
    """Named like the WorkerQueue with the uid `owner_uid`, which owns it."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {
            "name": key.name,
            "namespace": key.namespace,
            "labels": labels(key),
            "ownerReferences": [owner_reference(key, owner_uid)],
        },
        "spec": budget_spec(key, most),
    }


def budget_spec(key: QueueKey, most: int | str) -> Json:
    """What makes it the budget that is wanted."""
    return {
        "maxUnavailable": most,
        "selector": {"matchLabels": {QUEUE_LABEL: key.name}},
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
    }


def correction(found: Json, key: QueueKey, most: int | str) -> Json | None:
    """The merge patch that makes a trimmed budget the wanted one; None if it is."""
    wanted = budget_spec(key, most)
    if found["spec"] == wanted:
        return None
    version = found["metadata"]["resourceVersion"]
    # A merge patch would merge selectors, so what is there and isn't wanted is removed by name.
    excess = {name: None for name in found["spec"] if name not in wanted}
    labels = found["spec"].get("selector", {})
    dropped = {name: None for name in labels if name not in wanted["selector"]}
    strange = {name: None for name in labels.get("matchLabels", {}) if name != QUEUE_LABEL}
    selector = {**dropped, "matchLabels": {**strange, **wanted["selector"]["matchLabels"]}}
    return {"metadata": {"resourceVersion": version}, "spec": {**excess, **wanted, "selector": selector}}


def trimmed_budget(found: Json) -> Json:
    """What is read of a budget, a small part of it."""
    metadata = found["metadata"]
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    return {
        "metadata": {
            **{field: metadata[field] for field in kept if field in metadata},
            "labels": {QUEUE_LABEL: metadata["labels"][QUEUE_LABEL]},
        },
        "spec": {name: found["spec"][name] for name in _SPEC if name in found["spec"]},
    }
