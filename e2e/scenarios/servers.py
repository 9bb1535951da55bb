"""The Redis pods of a stage: beside the control plane, so that no drained node takes them along.

Owns their manifests and the address by which this machine reaches them.
"""

from __future__ import annotations

from typing import Any, Final

from e2e.scenarios.cluster import CONTROL_PLANE, address_of

from support.kube_client import KubeClient

Json = dict[str, Any]
PORT: Final = 6379
USER: Final = "fleet"
PASSWORD: Final = "the-right-one"
"""One may log in with these, or not at all."""
OUTSIDE: Final = "-outside"
"""Ends the name of the Service by which this machine reaches a server, whatever happens to the one that pods use."""


def redis_manifests(name: str, namespace: str, image: str) -> list[Json]:
    """A server that keeps its data through the deletion of its pod, one Service for pods and one for this machine."""
    return [*server_manifests(name, namespace, image), service(name)]


def server_manifests(name: str, namespace: str, image: str) -> list[Json]:
    """The server, which only this machine can reach by a Service."""
    return [_deployment(name, namespace, image), _outside(name)]


def service(name: str, *, server: str = "") -> Json:
    """By which pods reach the server of that name, or else another one under its name."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": {"app": server or name}, "ports": [{"port": PORT}]},
    }


async def outside_url(kube: KubeClient, name: str) -> str:
    """By which this machine reaches the server of that name."""
    [node, *_] = await kube.objects("nodes", f"-l={CONTROL_PLANE}")
    port = (await kube.get("service", f"{name}{OUTSIDE}"))["spec"]["ports"][0]["nodePort"]
    return f"redis://{address_of(node)}:{port}/0"


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
