"""Makes what the runtime creates belong to its WorkerQueue, so that Kubernetes deletes it with that one."""

from __future__ import annotations

from typing import Any

from headrace_operator.api.names import API_VERSION, KIND, QUEUE_LABEL, QueueKey, worker_queue_path
from headrace_operator.cluster.api import Api


async def owner_uid(api: Api, key: QueueKey) -> str:
    """The WorkerQueue's uid, as the API server knows it now. Raises ApiErrors."""
    uid: str = (await api.get(worker_queue_path(key)))["metadata"]["uid"]
    return uid


def owner_reference(key: QueueKey, uid: str) -> dict[str, Any]:
    """An entry of metadata.ownerReferences."""
    return {"apiVersion": API_VERSION, "kind": KIND, "name": key.name, "uid": uid, "controller": True}


def labels(key: QueueKey) -> dict[str, str]:
    """What everything of a WorkerQueue bears."""
    return {
        QUEUE_LABEL: key.name,
        "app.kubernetes.io/name": "headrace-worker",
        "app.kubernetes.io/instance": key.name,
        "app.kubernetes.io/managed-by": "headrace",
    }
