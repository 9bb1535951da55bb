"""Our resources on the API server: tells of their changes, writes their status, emits events, accepts requests.

Every write names the resource version that it rests on, so an operator that slept through its own end changes nothing.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, Generic

from headrace.errors import ConfigError
from headrace_operator.api.kinds import SCHEDULES, WORKER_QUEUES, Kind
from headrace_operator.api.names import API_VERSION, GROUP, ObjectKey, resources_path
from headrace_operator.api.resource import R, S
from headrace_operator.api.schedule import Schedule
from headrace_operator.api.schedule_status import ScheduleStatus
from headrace_operator.api.status import WorkerQueueStatus
from headrace_operator.api.worker_queue import WorkerQueue
from headrace_operator.cluster.api import Api
from headrace_operator.cluster.errors import ApiConflictError, ApiError, ApiNotFoundError
from headrace_operator.objects.kopf_watch import KopfWatch
from headrace_operator.objects.kubernetes_event import event
from headrace_operator.seams.errors import ObjectChangedError, ObjectGoneError, ObjectsUnavailableError
from headrace_operator.seams.objects import Applied, Deleted, EventKind, Refused

log = logging.getLogger(__name__)

Json = dict[str, Any]
SWEEP_SECONDS: Final = 60.0
"""Between two looks for objects that went while the watch was cut: kopf does not tell of those."""
AGAIN_SECONDS: Final = 5.0
"""Before a watch that has ended is begun anew."""
ATTEMPTS: Final = 5
"""How often a change of annotations is tried anew because somebody else was faster."""


class KubernetesResources(Generic[R, S]):
    """See Resources. `run` watches; without it, only writes work."""

    def __init__(self, kind: Kind[R], api: Api, namespaces: Sequence[str], *, instance: str) -> None:
        """`namespaces` without any stands for the whole cluster; `instance` is this pod's name."""
        self.heard = 0.0
        """When the API server last listed the objects, on the monotonic clock; 0 if it never did."""
        self._kind = kind
        self._api, self._namespaces, self._instance = api, namespaces, instance
        self._subscribers: list[Callable[[Applied[R] | Refused | Deleted], None]] = []
        self._last: dict[ObjectKey, Applied[R] | Refused] = {}
        self._uids: dict[ObjectKey, str] = {}

    async def run(self) -> None:
        """Watch until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch())
            group.create_task(self._sweep())

    def subscribe(self, on_change: Callable[[Applied[R] | Refused | Deleted], None]) -> None:
        """See Resources."""
        self._subscribers.append(on_change)
        for change in list(self._last.values()):
            on_change(change)

    async def write_status(self, key: ObjectKey, resource_version: str, status: S) -> str:
        """See Resources."""
        body = {
            "apiVersion": API_VERSION,
            "kind": self._kind.name,
            "metadata": {"name": key.name, "namespace": key.namespace, "resourceVersion": resource_version},
            "status": status.document(),
        }
        try:
            written = await self._api.replace(f"{self._path(key)}/status", body)
        except ApiConflictError as exc:
            raise ObjectChangedError(f"{key} is not at {resource_version} any more") from exc
        except ApiNotFoundError as exc:
            self._forget(key)
            raise ObjectGoneError(f"{key} was deleted") from exc
        except ApiError as exc:
            raise ObjectsUnavailableError(str(exc)) from exc
        version: str = written["metadata"]["resourceVersion"]
        return version

    async def emit(self, key: ObjectKey, kind: EventKind, reason: str, message: str) -> None:
        """See Resources. The log has it too: events are gone after an hour."""
        level = logging.WARNING if kind is EventKind.WARNING else logging.INFO
        fields = {self._kind.field: str(key), "reason": reason}
        log.log(level, "%s: %s: %s", key, reason, message, extra={"fields": fields})
        uid, now = self._uids.get(key, ""), time.time()
        body = event(self._kind.name, key, uid, kind, reason, message, instance=self._instance, now=now)
        try:
            await self._api.create(f"/api/v1/namespaces/{key.namespace}/events", body)
        except ApiError as exc:
            log.warning("an event of %s was lost: %s", key, exc)

    async def accept(self, key: ObjectKey, value: str, request_id: str) -> bool:
        """See Requests."""

        def noted(annotations: Json) -> Json | bool:
            if annotations.get(self._kind.request) != value:
                return False
            accepted = annotations.get(self._kind.accepted)
            return {self._kind.accepted: request_id} if accepted is None else accepted == request_id

        return await self._annotate(key, noted)

    async def finish(self, key: ObjectKey, request_id: str, value: str | None) -> None:
        """See Requests."""

        def removed(annotations: Json) -> Json | bool:
            if annotations.get(self._kind.accepted) != request_id:
                return False
            asked = value is not None and annotations.get(self._kind.request) == value
            return {self._kind.accepted: None} | ({self._kind.request: None} if asked else {})

        await self._annotate(key, removed)

    async def _annotate(self, key: ObjectKey, change: Callable[[Json], Json | bool]) -> bool:
        """Write the annotations that `change` makes of the present ones; what it answers instead of some."""
        try:
            for _ in range(ATTEMPTS):
                metadata = (await self._api.get(self._path(key)))["metadata"]
                wanted = change(metadata.get("annotations") or {})
                if isinstance(wanted, bool):
                    return wanted
                body: Json = {"metadata": {"resourceVersion": metadata["resourceVersion"], "annotations": wanted}}
                try:
                    await self._api.patch(self._path(key), body)
                except ApiConflictError:
                    continue
                return True
        except ApiNotFoundError as exc:
            self._forget(key)
            raise ObjectGoneError(f"{key} was deleted") from exc
        except ApiError as exc:
            raise ObjectsUnavailableError(str(exc)) from exc
        raise ObjectsUnavailableError(f"{key} changes too often to be annotated")

    def _hear(self, kind: str | None, body: Json) -> None:
        """What the watch tells; a type of None is an entry of a list."""
        metadata = {name: value for name, value in body["metadata"].items() if name != "managedFields"}
        key = ObjectKey(metadata["namespace"], metadata["name"])
        if kind == "DELETED" or "deletionTimestamp" in metadata:
            self._forget(key)
            return
        self._uids[key] = metadata["uid"]
        try:
            change: Applied[R] | Refused = Applied(self._kind.read({**body, "metadata": metadata}))
        except ConfigError as exc:
            change = Refused(key, str(exc), metadata["generation"], metadata["resourceVersion"])
        self._last[key] = change
        self._tell(change)

    def _forget(self, key: ObjectKey) -> None:
        self._uids.pop(key, None)
        if self._last.pop(key, None) is not None:
            self._tell(Deleted(key))

    def _tell(self, change: Applied[R] | Refused | Deleted) -> None:
        for subscriber in self._subscribers:
            subscriber(change)

    async def _watch(self) -> None:
        """Again and again: kopf gives up when the CRD goes, and there may be one later."""
        while True:
            await self._until_served()
            try:
                await KopfWatch(self._kind.plural, self._namespaces, self._hear).run()
            except Exception as exc:
                log.warning("the watch of the %ss has ended and is begun anew: %s", self._kind.name, exc)
            await asyncio.sleep(AGAIN_SECONDS)

    async def _until_served(self) -> None:
        """kopf looks for the CRD once, and without one it would be silent for ever."""
        if await self._served():
            return
        log.warning("the cluster serves no %s.%s: waiting for the CRD", self._kind.plural, GROUP)
        while not await self._served():
            await asyncio.sleep(AGAIN_SECONDS)

    async def _served(self) -> bool:
        """Asks as kopf does."""
        try:
            groups = (await self._api.get("/apis"))["groups"]
            if all(group["name"] != GROUP for group in groups):
                return False
            kinds = (await self._api.get(f"/apis/{API_VERSION}"))["resources"]
        except ApiError as exc:
            log.debug("the kinds of %s can't be listed: %s", API_VERSION, exc)  # the sweep complains
            return False
        return any(kind["name"] == self._kind.plural for kind in kinds)

    async def _sweep(self) -> None:
        while True:
            try:
                await self._look_for_the_missing()
            except ApiError as exc:
                log.warning("the %ss can't be listed: %s", self._kind.name, exc)
            await asyncio.sleep(SWEEP_SECONDS)

    async def _look_for_the_missing(self) -> None:
        known = dict(self._uids)
        there: set[str] = set()
        for namespace in self._namespaces or ("",):
            there |= await self._uids_in(namespace)
        self.heard = time.monotonic()
        for key, uid in known.items():
            if uid not in there and self._uids.get(key) == uid:
                self._forget(key)

    def _path(self, key: ObjectKey) -> str:
        return f"{resources_path(self._kind.plural, key.namespace)}/{key.name}"

    async def _uids_in(self, namespace: str) -> set[str]:
        found = await self._api.list_metadata(resources_path(self._kind.plural, namespace))
        return {metadata["uid"] for metadata in found}


class KubernetesObjects(KubernetesResources[WorkerQueue, WorkerQueueStatus]):
    """WorkerQueues."""

    def __init__(self, api: Api, namespaces: Sequence[str], *, instance: str) -> None:
        super().__init__(WORKER_QUEUES, api, namespaces, instance=instance)


class KubernetesSchedules(KubernetesResources[Schedule, ScheduleStatus]):
    """Schedules."""

    def __init__(self, api: Api, namespaces: Sequence[str], *, instance: str) -> None:
        super().__init__(SCHEDULES, api, namespaces, instance=instance)
