"""WorkerQueues in a test's memory, with the API server's manners: generations, versions, preconditions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from headrace.errors import ConfigError
from headrace_operator.api.names import REPLAY_ANNOTATION, REPLAY_ID_ANNOTATION, QueueKey
from headrace_operator.api.status import WorkerQueueStatus
from headrace_operator.api.worker_queue import WorkerQueue, load_worker_queue
from headrace_operator.seams.errors import ObjectChangedError, ObjectGoneError, ObjectsUnavailableError
from headrace_operator.seams.objects import Applied, Change, Deleted, EventKind, Refused


@dataclass
class _Stored:
    document: dict[str, Any]
    generation: int
    version: int
    annotations: dict[str, str] = field(default_factory=dict)
    status: WorkerQueueStatus | None = None


@dataclass(frozen=True)
class Event:
    """What emit was called with."""

    key: QueueKey
    kind: EventKind
    reason: str
    message: str


class MemoryObjects:
    """Objects without an API server; subscribers are called within the call that changes something."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.writes: list[tuple[QueueKey, WorkerQueueStatus]] = []
        """Every status that was written, in order."""
        self.outage: str | None = None
        """While set, every write raises ObjectsUnavailableError with it."""
        self._stored: dict[QueueKey, _Stored] = {}
        self._subscribers: list[Callable[[Change], None]] = []
        self._versions = 0

    def subscribe(self, on_change: Callable[[Change], None]) -> None:
        """See Objects."""
        self._subscribers.append(on_change)
        for key in self._stored:
            on_change(self._change(key))

    def drop_subscribers(self) -> None:
        """Forget who listens: their process has ended."""
        self._subscribers.clear()

    async def write_status(self, key: QueueKey, resource_version: str, status: WorkerQueueStatus) -> str:
        """See Objects."""
        stored = self._reach(key)
        if resource_version != str(stored.version):
            raise ObjectChangedError(f"{key} is at {stored.version}, not {resource_version}")
        stored.status = status
        self.writes.append((key, status))
        self._touch(key, stored)
        return str(stored.version)

    async def emit(self, key: QueueKey, kind: EventKind, reason: str, message: str) -> None:
        """See Objects."""
        self.events.append(Event(key, kind, reason, message))

    async def accept(self, key: QueueKey, value: str, request_id: str) -> bool:
        """See ReplayRequests."""
        stored = self._reach(key)
        noted = stored.annotations.get(REPLAY_ID_ANNOTATION)
        if stored.annotations.get(REPLAY_ANNOTATION) != value or noted not in (None, request_id):
            return False
        if noted is None:
            stored.annotations[REPLAY_ID_ANNOTATION] = request_id
            self._touch(key, stored)
        return True

    async def finish(self, key: QueueKey, request_id: str) -> None:
        """See ReplayRequests."""
        stored = self._reach(key)
        if stored.annotations.get(REPLAY_ID_ANNOTATION) == request_id:
            del stored.annotations[REPLAY_ID_ANNOTATION]
            stored.annotations.pop(REPLAY_ANNOTATION, None)
            self._touch(key, stored)

    def apply(self, document: dict[str, Any]) -> QueueKey:
        """Create or replace a WorkerQueue, good or bad; status and annotations of the old one stay."""
        metadata = document["metadata"]
        key = QueueKey(metadata.get("namespace", "default"), metadata["name"])
        stored = self._stored.get(key)
        if stored is None:
            stored = self._stored[key] = _Stored(document, generation=1, version=0)
        else:
            stored.generation += stored.document["spec"] != document["spec"]
            stored.document = document
        stored.annotations |= metadata.get("annotations", {})
        self._touch(key, stored)
        return key

    def annotate(self, key: QueueKey, name: str, value: str | None) -> None:
        """Write an annotation, or remove it with None."""
        stored = self._stored[key]
        if value is None:
            stored.annotations.pop(name, None)
        else:
            stored.annotations[name] = value
        self._touch(key, stored)

    def delete(self, key: QueueKey) -> None:
        """Delete a WorkerQueue."""
        del self._stored[key]
        self._tell(Deleted(key))

    def get(self, key: QueueKey) -> WorkerQueue:
        """The WorkerQueue with status, annotations and versions; raises ConfigError if it is a bad one."""
        stored = self._stored[key]
        queue = load_worker_queue(stored.document)
        metadata = queue.metadata.model_copy(
            update={
                "generation": stored.generation,
                "resource_version": str(stored.version),
                "annotations": dict(stored.annotations),
            }
        )
        return queue.model_copy(update={"metadata": metadata, "status": stored.status})

    def _reach(self, key: QueueKey) -> _Stored:
        if self.outage is not None:
            raise ObjectsUnavailableError(self.outage)
        stored = self._stored.get(key)
        if stored is None:
            raise ObjectGoneError(f"{key} was deleted")
        return stored

    def _touch(self, key: QueueKey, stored: _Stored) -> None:
        self._versions += 1
        stored.version = self._versions
        self._tell(self._change(key))

    def _change(self, key: QueueKey) -> Change:
        try:
            return Applied(self.get(key))
        except ConfigError as exc:
            stored = self._stored[key]
            return Refused(key, str(exc), stored.generation, str(stored.version))

    def _tell(self, change: Change) -> None:
        for subscriber in self._subscribers:
            subscriber(change)
