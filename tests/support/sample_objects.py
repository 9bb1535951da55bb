"""Small Kubernetes objects that several control-plane tests apply."""

from __future__ import annotations

from typing import Any


def deployment(name: str, namespace: str, *, replicas: int, grace_seconds: int = 30) -> dict[str, Any]:
    """A Deployment whose pods have the label app=`name` and one container that nobody really runs."""
    labels = {"app": name}
    template = {
        "metadata": {"labels": labels},
        "spec": {
            "terminationGracePeriodSeconds": grace_seconds,
            "containers": [{"name": "main", "image": "none.invalid/none:1"}],
        },
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template},
    }


def pod_reader(namespace: str, account: str) -> list[dict[str, Any]]:
    """A Role that lists pods and nothing else, bound to the ServiceAccount `account`."""
    metadata = {"name": "pod-reader", "namespace": namespace}
    group = "rbac.authorization.k8s.io"
    rule = {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}
    return [
        {"apiVersion": f"{group}/v1", "kind": "Role", "metadata": metadata, "rules": [rule]},
        {
            "apiVersion": f"{group}/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": group, "kind": "Role", "name": "pod-reader"},
            "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": namespace}],
        },
    ]
