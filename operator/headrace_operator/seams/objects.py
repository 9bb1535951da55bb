"""Where our resources are kept: the API server, a YAML file, a test's memory. Watched and reported to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, Protocol, TypeVar

from headrace_operator.api.kinds import SCHEDULES, WORKER_QUEUES, Kind
from headrace_operator.api.names import ObjectKey
from headrace_operator.api.resource import R, Resource, ResourceStatus
from headrace_operator.api.schedule import Schedule
from headrace_operator.api.schedule_status import ScheduleStatus
from headrace_operator.api.status import WorkerQueueStatus
from headrace_operator.api.worker_queue import WorkerQueue

R_co = TypeVar("R_co", bound=Resource, covariant=True)
S_contra = TypeVar("S_contra", bound=ResourceStatus, contravariant=True)


@dataclass(frozen=True)
class Applied(Generic[R_co]):
    """An object exists as said, new or changed."""

    resource: R_co

    @property
    def key(self) -> ObjectKey:
        """Whose change it is."""
        return self.resource.key


@dataclass(frozen=True)
class Refused:
    """An object is there and can't be understood. Go on with the last one that could, and say so."""

    key: ObjectKey
    problem: str
    """One line that names the field."""
    generation: int
    resource_version: str


@dataclass(frozen=True)
class Deleted:
    """An object is gone, or about to go."""

    key: ObjectKey


Change = Applied[WorkerQueue] | Refused | Deleted
ScheduleChange = Applied[Schedule] | Refused | Deleted


class EventKind(StrEnum):
    """Kubernetes' two kinds of events."""

    NORMAL = "Normal"
    WARNING = "Warning"


@dataclass(frozen=True)
class Pending:
    """A request in an annotation, as it stands: a replay of a WorkerQueue, a run of a Schedule."""

    value: str
    """What somebody wrote."""
    accepted: str | None
    """Id under which the operator has accepted it; None if it has not yet."""


def pending_replay(queue: WorkerQueue) -> Pending | None:
    """The replay that `queue` asks for, or None."""
    return _pending(queue, WORKER_QUEUES)


def pending_run(schedule: Schedule) -> Pending | None:
    """The run that `schedule` asks for, or None."""
    return _pending(schedule, SCHEDULES)


def _pending(resource: R, kind: Kind[R]) -> Pending | None:
    annotations = resource.metadata.annotations
    value = annotations.get(kind.request)
    return None if value is None else Pending(value, annotations.get(kind.accepted))


class Requests(Protocol):
    """The life of an annotation that asks for something: written by somebody, accepted once, removed at the end."""

    async def accept(self, key: ObjectKey, value: str, request_id: str) -> bool:
        """Note `request_id` beside the annotation, provided that the annotation is still `value`.

        True means that it is persisted and what was asked for may start. False means that the annotation has
        changed or gone, or that another id is noted: whoever asked must look again. Repeating a call that
        succeeded is True again.
        """
        ...

    async def finish(self, key: ObjectKey, request_id: str, value: str | None) -> None:
        """Remove the id, provided that it is still `request_id`, and the annotation with it if that is still `value`.

        Another annotation stays and is a request of its own; so does any with None.
        """
        ...


class Resources(Requests, Protocol[R_co, S_contra]):
    """The objects of one kind, and what is written back to them."""

    def subscribe(self, on_change: Callable[[Applied[R_co] | Refused | Deleted], None]) -> None:
        """Call `on_change` for every object that exists and then on every change, for ever.

        Level-based: a change may be told twice and several may be told as one, but the last state is always
        told. The callback must not block; it runs in the event loop's thread.
        """
        ...

    async def write_status(self, key: ObjectKey, resource_version: str, status: S_contra) -> str:
        """Replace the status, provided that the object is still the one read; the new resource version.

        Raises ObjectChangedError, ObjectGoneError or ObjectsUnavailableError.
        """
        ...

    async def emit(self, key: ObjectKey, kind: EventKind, reason: str, message: str) -> None:
        """Tell people about a transition. Losing an event is no error, so nothing is raised."""
        ...


Objects = Resources[WorkerQueue, WorkerQueueStatus]
Schedules = Resources[Schedule, ScheduleStatus]
