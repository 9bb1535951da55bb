"""Our resources in a test's memory, with the API server's manners: generations, versions, preconditions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic
from uuid import uuid4

from headrace.errors import ConfigError
from headrace_operator.api.kinds import SCHEDULES, WORKER_QUEUES, Kind
from headrace_operator.api.names import ObjectKey
from headrace_operator.api.resource import R, S
from headrace_operator.api.schedule import Schedule
from headrace_operator.api.schedule_status import ScheduleStatus
from headrace_operator.api.status import WorkerQueueStatus
from headrace_operator.api.worker_queue import WorkerQueue
from headrace_operator.seams.errors import ObjectChangedError, ObjectGoneError, ObjectsUnavailableError
from headrace_operator.seams.objects import Applied, Deleted, EventKind, Refused


@dataclass
class _Stored(Generic[S]):
    document: dict[str, Any]
    generation: int
    version: int
    annotations: dict[str, str] = field(default_factory=dict)
    status: S | None = None
    uid: str = field(default_factory=lambda: str(uuid4()))


@dataclass(frozen=True)
class Event:
    """What emit was called with."""

    key: ObjectKey
    kind: EventKind
    reason: str
    message: str


class MemoryResources(Generic[R, S]):
    """Resources without an API server; subscribers are called within the call that changes something."""

    def __init__(self, kind: Kind[R]) -> None:
        self._kind = kind
        self.events: list[Event] = []
        self.writes: list[tuple[ObjectKey, S]] = []
        """Every status that was written, in order."""
        self.outage: str | None = None
        """While set, every write raises ObjectsUnavailableError with it."""
        self._stored: dict[ObjectKey, _Stored[S]] = {}
        self._subscribers: list[Callable[[Applied[R] | Refused | Deleted], None]] = []
        self._versions = 0

    def subscribe(self, on_change: Callable[[Applied[R] | Refused | Deleted], None]) -> None:
        """See Resources."""
        self._subscribers.append(on_change)
        for key in self._stored:
            on_change(self._change(key))

    def drop_subscribers(self) -> None:
        """Forget who listens: their process has ended."""
        self._subscribers.clear()

    async def write_status(self, key: ObjectKey, resource_version: str, status: S) -> str:
        """See Resources."""
        stored = self._reach(key)
        if resource_version != str(stored.version):
            raise ObjectChangedError(f"{key} is at {stored.version}, not {resource_version}")
        stored.status = status
        self.writes.append((key, status))
        self._touch(key, stored)
        return str(stored.version)

    async def emit(self, key: ObjectKey, kind: EventKind, reason: str, message: str) -> None:
        """See Resources."""
        self.events.append(Event(key, kind, reason, message))

    async def accept(self, key: ObjectKey, value: str, request_id: str) -> bool:
        """See Requests."""
        stored = self._reach(key)
        noted = stored.annotations.get(self._kind.accepted)
        if stored.annotations.get(self._kind.request) != value or noted not in (None, request_id):
            return False
        if noted is None:
            stored.annotations[self._kind.accepted] = request_id
            self._touch(key, stored)
        return True

    async def finish(self, key: ObjectKey, request_id: str, value: str | None) -> None:
        """See Requests."""
        stored = self._reach(key)
        if stored.annotations.get(self._kind.accepted) == request_id:
            del stored.annotations[self._kind.accepted]
            if value is not None and stored.annotations.get(self._kind.request) == value:
                del stored.annotations[self._kind.request]
            self._touch(key, stored)

    def apply(self, document: dict[str, Any]) -> ObjectKey:
        """Create or replace an object, good or bad; status and annotations of the old one stay."""
        metadata = document["metadata"]
        key = ObjectKey(metadata.get("namespace", "default"), metadata["name"])
        stored = self._stored.get(key)
        if stored is None:
            stored = self._stored[key] = _Stored(document, generation=1, version=0)
        else:
            stored.generation += stored.document["spec"] != document["spec"]
            stored.document = document
        stored.annotations |= metadata.get("annotations", {})
        self._touch(key, stored)
        return key

    def annotate(self, key: ObjectKey, name: str, value: str | None) -> None:
        """Write an annotation, or remove it with None."""
        stored = self._stored[key]
        if value is None:
            stored.annotations.pop(name, None)
        else:
            stored.annotations[name] = value
        self._touch(key, stored)

    def delete(self, key: ObjectKey) -> None:
        """Delete an object."""
        del self._stored[key]
        self._tell(Deleted(key))

    def get(self, key: ObjectKey) -> R:
        """The object with status, annotations and versions; raises ConfigError if it is a bad one."""
        stored = self._stored[key]
        found = self._kind.load(stored.document)
        metadata = found.metadata.model_copy(
            update={
                "uid": stored.uid,
                "generation": stored.generation,
                "resource_version": str(stored.version),
                "annotations": dict(stored.annotations),
            }
        )
        return found.model_copy(update={"metadata": metadata, "status": stored.status})

    def _reach(self, key: ObjectKey) -> _Stored[S]:
        if self.outage is not None:
            raise ObjectsUnavailableError(self.outage)
        stored = self._stored.get(key)
        if stored is None:
            raise ObjectGoneError(f"{key} was deleted")
        return stored

    def _touch(self, key: ObjectKey, stored: _Stored[S]) -> None:
        self._versions += 1
        stored.version = self._versions
        self._tell(self._change(key))

    def _change(self, key: ObjectKey) -> Applied[R] | Refused:
        try:
            return Applied(self.get(key))
        except ConfigError as exc:
            stored = self._stored[key]
            return Refused(key, str(exc), stored.generation, str(stored.version))

    def _tell(self, change: Applied[R] | Refused | Deleted) -> None:
        for subscriber in self._subscribers:
            subscriber(change)


class MemoryObjects(MemoryResources[WorkerQueue, WorkerQueueStatus]):
    """WorkerQueues."""

    def __init__(self) -> None:
        super().__init__(WORKER_QUEUES)


class MemorySchedules(MemoryResources[Schedule, ScheduleStatus]):
    """Schedules."""

    def __init__(self) -> None:
        super().__init__(SCHEDULES)
