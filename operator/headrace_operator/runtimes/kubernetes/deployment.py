"""The Deployment of one version of a WorkerQueue, as a value. No I/O.

A Deployment's template is never changed once it exists, so what is written here reaches only versions that are made
from now on: an upgrade of the operator restarts no worker.
"""

from __future__ import annotations

from typing import Any, Final

from headrace_operator.api.names import APP_ANNOTATION, QUEUE_LABEL, VERSION_LABEL, QueueKey
from headrace_operator.api.spec import WorkerQueueSpec
from headrace_operator.runtimes.kubernetes.environment import CA_MOUNT, METRICS_PORT, environment
from headrace_operator.runtimes.kubernetes.overlay import overlaid
from headrace_operator.runtimes.kubernetes.ownership import labels, owner_reference
from headrace_operator.seams.runtime import VersionSpec

Json = dict[str, Any]
CONTAINER: Final = "worker"


def deployment_name(key: QueueKey, version: str) -> str:
    """`<queue>-<hash>`."""
    return f"{key.name}-{version}"


def deployment(key: QueueKey, owner_uid: str, version: VersionSpec, image: str) -> Json:
    """The Deployment of `version`, without workers, owned by the WorkerQueue with the uid `owner_uid`."""
    marked = {**labels(key), VERSION_LABEL: version.hash}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": deployment_name(key, version.hash),
            "namespace": key.namespace,
            "labels": marked,
            "annotations": {APP_ANNOTATION: version.spec.worker.app},
            "ownerReferences": [owner_reference(key, owner_uid)],
        },
        "spec": {
            "replicas": 0,
            "revisionHistoryLimit": 0,
            "selector": {"matchLabels": {label: marked[label] for label in (QUEUE_LABEL, VERSION_LABEL)}},
            "template": _template(marked, version, image),
        },
    }


def _template(marked: dict[str, str], version: VersionSpec, image: str) -> Json:
    spec = version.spec
    base: Json = {
        "metadata": {"labels": {}},
        "spec": {
            "terminationGracePeriodSeconds": spec.drain.termination_seconds,
            "automountServiceAccountToken": False,
            "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [_container(version, image)],
            "volumes": [{"name": "tmp", "emptyDir": {}}, *_ca_volumes(spec)],
        },
    }
    template = overlaid(base, spec.worker.pod_template or {})
    # The Deployment's selector must find its pods, whatever the overlay says.
    template["metadata"] = overlaid(template.get("metadata") or {}, {"labels": marked})
    return template


def _container(version: VersionSpec, image: str) -> Json:
    worker, grace = version.spec.worker, version.spec.drain.grace_seconds
    container: Json = {
        "name": CONTAINER,
        "image": image,
        "args": ["headrace", "worker", worker.app],
        "env": environment(version),
        "ports": [{"name": "metrics", "containerPort": METRICS_PORT}],
        # A worker that can't start says why in its last line, which then stands in the pod's status.
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "lifecycle": {"preStop": {"exec": {"command": ["headrace", "drain", "--grace", f"{grace}s"]}}},
        # Latches after the first fetch: a busy worker that loses Redis must not become a scale-in's first victim.
        # An application may take minutes to import. Not /startedz: that waits for Redis, which no restart brings back.
        "startupProbe": _probe("/livez", period=1, failures=600),
        "readinessProbe": _probe("/startedz", period=2, failures=3),
        "livenessProbe": _probe("/livez", period=10, failures=6),
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}, *_ca_mounts(version.spec)],  # noqa: S108
    }
    if worker.image_pull_policy is not None:
        container["imagePullPolicy"] = worker.image_pull_policy
    if worker.resources is not None:
        container["resources"] = worker.resources
    return container


def _probe(path: str, *, period: int, failures: int) -> Json:
    return {
        "httpGet": {"path": path, "port": METRICS_PORT},
        "periodSeconds": period,
        "timeoutSeconds": 3,
        "failureThreshold": failures,
    }


def _ca_volumes(spec: WorkerQueueSpec) -> list[Json]:
    tls = spec.redis.tls
    if tls is None or tls.ca_secret_ref is None:
        return []
    items = [{"key": tls.ca_secret_ref.key, "path": CA_MOUNT.name}]
    return [{"name": "redis-ca", "secret": {"secretName": tls.ca_secret_ref.name, "items": items}}]


def _ca_mounts(spec: WorkerQueueSpec) -> list[Json]:
    return [{"name": "redis-ca", "mountPath": str(CA_MOUNT.parent), "readOnly": True} for _ in _ca_volumes(spec)]
