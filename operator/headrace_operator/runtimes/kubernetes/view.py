"""What the cluster holds of our Deployments, pods and PodDisruptionBudgets: a live copy, so that looks cost no request.

Three watches per watched namespace, or three for the whole cluster, whatever the number of queues; only objects with
our label travel. What is kept of an object is a small part of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final

from headrace_operator.api.names import APP_ANNOTATION, QUEUE_LABEL, VERSION_LABEL, QueueKey
from headrace_operator.cluster.api import Api
from headrace_operator.cluster.reflector import Reflector, Watched
from headrace_operator.runtimes.kubernetes.budget import trimmed_budget
from headrace_operator.runtimes.kubernetes.deployment import CONTAINER
from headrace_operator.runtimes.kubernetes.pods import is_over, trimmed_pod
from headrace_operator.seams.errors import RuntimeUnavailableError

Json = dict[str, Any]
EVERYWHERE: Final = ("",)
"""Stands for all namespaces."""
BUDGET_SECONDS: Final = 5.0
"""How long to wait at first for the PodDisruptionBudgets."""


class View:
    """The Deployments and pods of the WorkerQueues in `namespaces`, or EVERYWHERE."""

    def __init__(self, api: Api, namespaces: Sequence[str], on_change: Callable[[QueueKey], None]) -> None:
        """`on_change` is called with whoever owns what has changed; it must not block."""

        def changed(item: Json) -> None:
            on_change(queue_of(item))

        self._deployments = {scope: Reflector(api, _deployments(scope), changed) for scope in namespaces}
        self._pods = {scope: Reflector(api, _pods(scope), changed) for scope in namespaces}
        # Their status changes with every pod, so they wake nobody: what was done to them is mended at the next look.
        self._budgets = {scope: Reflector(api, _budgets(scope), _nobody) for scope in namespaces}

    async def run(self) -> None:
        """Keep the copy, for ever."""
        async with asyncio.TaskGroup() as group:
            for reflector in (*self._reflectors(), *self._budgets.values()):
                group.create_task(reflector.run())

    async def wait_until_synced(self) -> None:
        """Return once everything is known for the first time."""
        for reflector in self._reflectors():
            await reflector.synced.wait()
        # The right to read these may be missing where the operator is newer than its Role; workers matter more.
        with suppress(TimeoutError):
            async with asyncio.timeout(BUDGET_SECONDS):
                for reflector in self._budgets.values():
                    await reflector.synced.wait()

    @property
    def heard(self) -> float:
        """When the quietest watch last heard of the API server, on the monotonic clock; 0 if it never did."""
        return min(reflector.heard for reflector in self._reflectors())

    def deployments(self, namespace: str) -> Reflector:
        """The Deployments of a namespace, known; raises RuntimeUnavailableError until they are."""
        return _known(self._deployments, namespace)

    def pods(self, namespace: str) -> Reflector:
        """The pods of a namespace; raises RuntimeUnavailableError until they are known."""
        return _known(self._pods, namespace)

    def budgets(self, namespace: str) -> Reflector:
        """The PodDisruptionBudgets of a namespace; raises RuntimeUnavailableError until they are known."""
        return _known(self._budgets, namespace, "PodDisruptionBudgets")

    def versions(self, key: QueueKey) -> list[Json]:
        """The Deployments of a WorkerQueue, the oldest first."""
        return sorted(self.deployments(key.namespace).group(key), key=_age)

    def workers(self, key: QueueKey) -> list[Json]:
        """The pods of a WorkerQueue that have not ended for good, the oldest first."""
        return sorted((pod for pod in self.pods(key.namespace).group(key) if not is_over(pod)), key=_age)

    def _reflectors(self) -> list[Reflector]:
        return [*self._deployments.values(), *self._pods.values()]


def queue_of(item: Json) -> QueueKey:
    """The WorkerQueue that an object belongs to."""
    return QueueKey(item["metadata"]["namespace"], item["metadata"]["labels"][QUEUE_LABEL])


def version_of(item: Json) -> str:
    """The version that an object belongs to."""
    version: str = item["metadata"]["labels"][VERSION_LABEL]
    return version


def trimmed_deployment(deployment: Json) -> Json:
    """What is read of a Deployment, a small part of it."""
    metadata, spec = deployment["metadata"], deployment["spec"]
    kept = ("name", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp")
    images = {one["name"]: one["image"] for one in spec["template"]["spec"]["containers"]}
    failures = [one for one in deployment.get("status", {}).get("conditions", ()) if one["type"] == "ReplicaFailure"]
    return {
        "metadata": {
            **{field: metadata[field] for field in kept},
            "labels": {label: metadata["labels"][label] for label in (QUEUE_LABEL, VERSION_LABEL)},
        },
        "replicas": spec["replicas"],
        "app": metadata.get("annotations", {}).get(APP_ANNOTATION, ""),
        "image": images.get(CONTAINER, ""),
        "failure": next((one.get("message", "") for one in failures if one["status"] == "True"), ""),
    }


def _deployments(namespace: str) -> Watched:
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments" if namespace else "/apis/apps/v1/deployments"
    return Watched(path, f"{QUEUE_LABEL},{VERSION_LABEL}", trimmed_deployment, queue_of)


def _pods(namespace: str) -> Watched:
    path = f"/api/v1/namespaces/{namespace}/pods" if namespace else "/api/v1/pods"
    return Watched(path, f"{QUEUE_LABEL},{VERSION_LABEL}", trimmed_pod, queue_of)


def _budgets(namespace: str) -> Watched:
    scope = f"namespaces/{namespace}/" if namespace else ""
    return Watched(f"/apis/policy/v1/{scope}poddisruptionbudgets", QUEUE_LABEL, trimmed_budget, queue_of)


def _nobody(_item: Json) -> None:
    return


def _known(reflectors: dict[str, Reflector], namespace: str, what: str = "workers") -> Reflector:
    reflector = reflectors.get(namespace) or reflectors.get("")
    if reflector is None:
        raise RuntimeUnavailableError(f"the namespace {namespace} isn't watched")
    if not reflector.synced.is_set():
        raise RuntimeUnavailableError(f"the cluster's {what} are not known yet")
    return reflector


def _age(item: Json) -> tuple[str, str]:
    return item["metadata"]["creationTimestamp"], item["metadata"]["name"]
