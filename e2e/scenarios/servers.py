"""The Redis pods of a stage, as manifests: beside the control plane, so that no drained node takes them along."""

from __future__ import annotations

from typing import Any, Final

from e2e.scenarios.cluster import CONTROL_PLANE

Json = dict[str, Any]
PORT: Final = 6379
USER: Final = "fleet"
PASSWORD: Final = "the-right-one"
"""One may log in with these, or not at all."""
OUTSIDE: Final = "-outside"
"""Ends the name of the Service by which this machine reaches a server, whatever happens to the one that pods use."""


def redis_manifests(name: str, namespace: str, image: str) -> list[Json]:
    """A server that keeps its data through the deletion of its pod, one Service for pods and one for this machine."""
    return [_deployment(name, namespace, image), service(name), _outside(name)]


def service(name: str) -> Json:
    """By which pods reach it, under its name."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": {"app": name}, "ports": [{"port": PORT}]},
    }


def _outside(name: str) -> Json:
    outside = service(name)
    outside["metadata"]["name"] = f"{name}{OUTSIDE}"
    outside["spec"]["type"] = "NodePort"
    return outside


def _deployment(name: str, namespace: str, image: str) -> Json:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": 1,
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": _pod(name, namespace, image)},
        },
    }


def _pod(name: str, namespace: str, image: str) -> Json:
    kept = ("--save", "", "--appendonly", "yes", "--appendfsync", "always", "--dir", "/data")
    open_to_pods = ("--bind", "0.0.0.0", "--protected-mode", "no")
    user = ("--user", USER, "on", f">{PASSWORD}", "~*", "&*", "+@all")
    return {
        "nodeSelector": {CONTROL_PLANE: ""},
        "tolerations": [{"key": CONTROL_PLANE, "effect": "NoSchedule"}],
        "terminationGracePeriodSeconds": 1,
        "automountServiceAccountToken": False,
        "containers": [
            {
                "name": "redis",
                "image": image,
                "imagePullPolicy": "IfNotPresent",
                "command": ["redis-server", *open_to_pods, *kept, *user, "--maxmemory-policy", "noeviction"],
                # The folder on the node is root's.
                "securityContext": {"runAsUser": 0},
                "readinessProbe": {"tcpSocket": {"port": PORT}, "periodSeconds": 1},
                "volumeMounts": [{"name": "data", "mountPath": "/data"}],
            }
        ],
        "volumes": [
            {
                "name": "data",
                "hostPath": {"path": f"/var/lib/headrace-e2e/{namespace}/{name}", "type": "DirectoryOrCreate"},
            }
        ],
    }
