"""Where WorkerQueues are kept: the API server, a YAML file, a test's memory. Watched and reported to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from headrace_operator.api.names import REPLAY_ANNOTATION, REPLAY_ID_ANNOTATION, QueueKey
from headrace_operator.api.status import WorkerQueueStatus
from headrace_operator.api.worker_queue import WorkerQueue


@dataclass(frozen=True)
class Applied:
    """A WorkerQueue exists as said, new or changed."""

    queue: WorkerQueue

    @property
    def key(self) -> QueueKey:
        """Whose change it is."""
        return self.queue.key


@dataclass(frozen=True)
class Refused:
    """A WorkerQueue is there and can't be understood. Go on with the last one that could, and say so."""

    key: QueueKey
    problem: str
    """One line that names the field."""
    generation: int
    resource_version: str


@dataclass(frozen=True)
class Deleted:
    """A WorkerQueue is gone, or about to go."""

    key: QueueKey


Change = Applied | Refused | Deleted


class EventKind(StrEnum):
    """Kubernetes' two kinds of events."""

    NORMAL = "Normal"
    WARNING = "Warning"


@dataclass(frozen=True)
class PendingReplay:
    """A replay annotation as it stands."""

    value: str
    """What somebody wrote."""
    accepted: str | None
    """Id under which the operator has accepted it; None if it has not yet."""


def pending_replay(queue: WorkerQueue) -> PendingReplay | None:
    """The replay that `queue` asks for, or None."""
    value = queue.metadata.annotations.get(REPLAY_ANNOTATION)
    return None if value is None else PendingReplay(value, queue.metadata.annotations.get(REPLAY_ID_ANNOTATION))


class ReplayRequests(Protocol):
    """The life of a replay annotation: written by somebody, accepted once, removed at the end."""

    async def accept(self, key: QueueKey, value: str, request_id: str) -> bool:
        """Note `request_id` beside the annotation, provided that the annotation is still `value`.

        True means that it is persisted and the replay may start. False means that the annotation has
        changed or gone, or that another id is noted: whoever asked must look again. Repeating a call that
        succeeded is True again.
        """
        ...

    async def finish(self, key: QueueKey, request_id: str) -> None:
        """Remove annotation and id, provided that the id is still `request_id`; else change nothing."""
        ...


class Objects(ReplayRequests, Protocol):
    """The WorkerQueues, and what is written back to them."""

    def subscribe(self, on_change: Callable[[Change], None]) -> None:
        """Call `on_change` for every WorkerQueue that exists and then on every change, for ever.

        Level-based: a change may be told twice and several may be told as one, but the last state is always
        told. The callback must not block; it runs in the event loop's thread.
        """
        ...

    async def write_status(self, key: QueueKey, resource_version: str, status: WorkerQueueStatus) -> str:
        """Replace the status, provided that the object is still the one read; the new resource version.

        Raises ObjectChangedError, ObjectGoneError or ObjectsUnavailableError.
        """
        ...

    async def emit(self, key: QueueKey, kind: EventKind, reason: str, message: str) -> None:
        """Tell people about a transition. Losing an event is no error, so nothing is raised."""
        ...
