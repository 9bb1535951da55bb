"""What a kubelet tells the API server, as plain values: a node, and the status of a pod that is ready."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

Pod = dict[str, Any]
"""A pod in the API server's JSON form."""


def grace_seconds(pod: Pod) -> float:
    """The grace period that the pod's spec asks for, in seconds."""
    return float(pod["spec"].get("terminationGracePeriodSeconds", 30))


def node_manifest(name: str) -> dict[str, Any]:
    """A ready node with room for any test."""
    room = {"cpu": "1000", "memory": "1Ti", "pods": "5000"}
    return {
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
        "status": {"capacity": room, "allocatable": room, "conditions": [_condition("Ready")]},
    }


def running_status(pod: Pod, number: int) -> dict[str, Any]:
    """All containers run and are ready; `number` (from 1) makes the pod's address."""
    address = f"10.244.{number // 250 % 250}.{number % 250 + 1}"
    kinds = ("PodScheduled", "Initialized", "ContainersReady", "Ready")
    return {
        "phase": "Running",
        "startTime": _now(),
        "hostIP": "10.0.0.1",
        "podIP": address,
        "podIPs": [{"ip": address}],
        "conditions": [_condition(kind) for kind in kinds],
        "containerStatuses": [_running(container) for container in pod["spec"]["containers"]],
    }


def _running(container: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": container["name"],
        "image": container["image"],
        "imageID": "",
        "ready": True,
        "started": True,
        "restartCount": 0,
        "state": {"running": {"startedAt": _now()}},
    }


def _condition(kind: str) -> dict[str, str]:
    return {"type": kind, "status": "True", "lastTransitionTime": _now()}


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
