"""The Runtime on Kubernetes: moves the counts of Deployments, one per version. Creates pods never, deletes them never.

Reads come from a live copy (view.py), which our own writes are entered into at once, so a plan never rests on a count
older than the last one that we wrote.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

from headrace_operator.api.names import QueueKey
from headrace_operator.cluster.api import Api
from headrace_operator.cluster.errors import (
    ApiConflictError,
    ApiDeniedError,
    ApiError,
    ApiNotFoundError,
    ApiRefusedError,
)
from headrace_operator.runtimes.kubernetes.budgets import Budgets
from headrace_operator.runtimes.kubernetes.deployment import deployment, deployment_name
from headrace_operator.runtimes.kubernetes.marks import change
from headrace_operator.runtimes.kubernetes.ownership import owner_uid
from headrace_operator.runtimes.kubernetes.pods import (
    COST_ANNOTATION,
    FIRST_TO_GO,
    common_trouble,
    exits,
    is_aimed,
    is_deleted,
    is_ready,
    seconds,
    worker_state,
)
from headrace_operator.runtimes.kubernetes.view import View, version_of
from headrace_operator.seams.errors import RuntimeUnavailableError, VersionNotFoundError, VersionRefusedError
from headrace_operator.seams.runtime import VersionSpec, VersionState, WorkerState

Json = dict[str, Any]
ATTEMPTS: Final = 5
"""How often a write is repeated whose object was changed by somebody else in a part that doesn't matter."""


class KubernetesRuntime:
    """See Runtime. The one who runs `view.run()` decides how long it lives."""

    def __init__(self, api: Api, view: View, *, default_image: str | None = None) -> None:
        """`default_image` is for a WorkerQueue that names none."""
        self._api, self._view = api, view
        self._default_image = default_image
        self._budgets = Budgets(api, view)

    async def versions(self, key: QueueKey) -> list[VersionState]:
        """See Runtime."""
        pods = self._view.workers(key)
        return [
            _state(found, [pod for pod in pods if version_of(pod) == version_of(found)])
            for found in self._view.versions(key)
        ]

    async def workers(self, key: QueueKey) -> list[WorkerState]:
        """See Runtime."""
        alive = {version_of(found) for found in self._view.versions(key)}
        return [worker_state(pod, retired=version_of(pod) not in alive) for pod in self._view.workers(key)]

    async def ensure(self, key: QueueKey, version: VersionSpec) -> None:
        """See Runtime."""
        known = self._view.deployments(key.namespace)
        if known.get(key.namespace, deployment_name(key, version.hash)) is not None:
            return
        image = version.spec.worker.image or self._default_image
        if image is None:
            raise VersionRefusedError("name spec.worker.image; this operator has no default image")
        with _mapped():
            body = deployment(key, await owner_uid(self._api, key), version, image)
            with suppress(ApiConflictError):  # there already; the watch has yet to tell
                known.note(await self._create(key, body))

    async def aim(self, key: QueueKey, workers: Collection[str]) -> None:
        """See Runtime. The answers aren't entered into the live copy: the watch shows what others can see too."""
        with _mapped():
            for pod in self._view.workers(key):
                name = pod["metadata"]["name"]
                if is_deleted(pod) or is_aimed(pod) == (name in workers):
                    continue
                cost = FIRST_TO_GO if name in workers else None
                patch: Json = {"metadata": {"annotations": {COST_ANNOTATION: cost}}}
                with suppress(ApiNotFoundError):
                    await self._api.patch(f"/api/v1/namespaces/{key.namespace}/pods/{name}", patch)

    async def scale(self, key: QueueKey, version: str, replicas: int) -> None:
        """See Runtime."""
        known = self._view.deployments(key.namespace)
        found = known.get(key.namespace, deployment_name(key, version))
        if found is None:
            raise VersionNotFoundError(f"{key} has no version {version}")
        if found["replicas"] == replicas:
            return
        with _mapped():
            await self._write_replicas(found, replicas)

    async def protect(self, key: QueueKey, workers: Collection[str]) -> None:
        """See Runtime."""
        with _mapped():
            for pod in self._view.workers(key):
                name = pod["metadata"]["name"]
                annotations = change(pod["metadata"]["annotations"], name in workers)
                if not annotations or is_deleted(pod):
                    continue
                patch: Json = {"metadata": {"annotations": annotations}}
                with suppress(ApiNotFoundError):
                    await self._api.patch(f"/api/v1/namespaces/{key.namespace}/pods/{name}", patch)

    async def limit_disruption(self, key: QueueKey, most: int | str | None) -> None:
        """See Runtime: a PodDisruptionBudget, owned by the WorkerQueue."""
        with _mapped():
            await self._budgets.keep(key, most)

    async def remove(self, key: QueueKey, version: str) -> None:
        """See Runtime. Kubernetes' garbage collector deletes the pods, each with its preStop and grace."""
        known = self._view.deployments(key.namespace)
        found = known.get(key.namespace, deployment_name(key, version))
        if found is None:
            return
        options = {"propagationPolicy": "Background", "preconditions": {"uid": found["metadata"]["uid"]}}
        with _mapped(), suppress(ApiNotFoundError, ApiConflictError):  # gone, or another of that name by now
            await self._api.delete(_path(key.namespace, found["metadata"]["name"]), options)
        known.forget(found)

    async def remove_all(self, key: QueueKey) -> None:
        """See Runtime."""
        for found in self._view.versions(key):
            await self.remove(key, version_of(found))

    async def _create(self, key: QueueKey, body: Json) -> Json:
        """Strict, so that a misspelled field of the podTemplate is an error and not dropped in silence."""
        try:
            return await self._api.create(_path(key.namespace), body, {"fieldValidation": "Strict"})
        except (ApiRefusedError, ApiDeniedError) as exc:
            raise VersionRefusedError(str(exc)) from exc

    async def _write_replicas(self, found: Json, replicas: int) -> None:
        """Patch the scale, provided that the Deployment's spec is still the one that was seen.

        Its controller writes the status all the time, which moves the resource version and not the generation.
        """
        metadata = found["metadata"]
        path = _path(metadata["namespace"], metadata["name"])
        known = self._view.deployments(metadata["namespace"])
        generation = metadata["generation"]
        for _ in range(ATTEMPTS):
            body: Json = {
                "metadata": {"resourceVersion": metadata["resourceVersion"]},
                "spec": {"replicas": replicas},
            }
            try:
                scale = await self._api.patch(f"{path}/scale", body)
            except ApiConflictError:
                current = await self._api.get(path)
                known.note(current)
                metadata = current["metadata"]
                if metadata["generation"] != generation:
                    raise
            except ApiNotFoundError as exc:
                known.forget(found)
                raise VersionNotFoundError(f"{metadata['name']} was deleted") from exc
            else:
                self._enter(found, scale)
                return
            await asyncio.sleep(0)
        raise RuntimeUnavailableError(f"{metadata['name']} changes too often to be scaled")

    def _enter(self, found: Json, scale: Json) -> None:
        """Enter the written count into the live copy."""
        version = scale["metadata"]["resourceVersion"]
        metadata = found["metadata"] | {"resourceVersion": version, "generation": found["metadata"]["generation"] + 1}
        entered = found | {"metadata": metadata, "replicas": scale["spec"].get("replicas", 0)}
        self._view.deployments(metadata["namespace"]).enter(entered)


def _state(found: Json, pods: list[Json]) -> VersionState:
    live = [pod for pod in pods if not is_deleted(pod)]
    desired = found["replicas"]
    failing = common_trouble(live)
    if not live and desired and found["failure"]:
        failing = found["failure"]
    return VersionState(
        hash=version_of(found),
        desired=desired,
        ready=min(sum(map(is_ready, live)), desired),
        terminating=len(pods) - len(live) + max(len(live) - desired, 0),
        failing=failing,
        created=seconds(found["metadata"]["creationTimestamp"]),
        app=found["app"],
        image=found["image"],
        exits=exits(live),
    )


@contextmanager
def _mapped() -> Iterator[None]:
    try:
        yield
    except ApiError as exc:
        raise RuntimeUnavailableError(str(exc)) from exc


def _path(namespace: str, name: str | None = None) -> str:
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    return path if name is None else f"{path}/{name}"
