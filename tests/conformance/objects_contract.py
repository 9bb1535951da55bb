"""The Resources seam as tests. Subclass it, override the fixture `shelf`, and every promise is tested."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from headrace_operator.api.kinds import SCHEDULES, WORKER_QUEUES, Kind
from headrace_operator.api.names import API_VERSION, KIND, SCHEDULE_KIND, ObjectKey
from headrace_operator.api.schedule_status import ScheduleStatus
from headrace_operator.api.status import WorkerQueueStatus
from headrace_operator.seams.errors import ObjectChangedError, ObjectGoneError
from headrace_operator.seams.objects import Applied, Deleted, EventKind, Refused, Resources

PATIENCE = 20.0


def document(name: str = "emails", **spec: Any) -> dict[str, Any]:
    """A WorkerQueue as YAML has it."""
    given = {"redis": {"url": "redis://r"}, "queues": [{"name": "q"}], "worker": {"app": "app"}} | spec
    return {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": name}, "spec": given}


def schedule_document(name: str = "emails", **spec: Any) -> dict[str, Any]:
    """A Schedule as YAML has it."""
    given = {"workerQueue": "emails", "cron": "@daily", "task": "t"} | spec
    return {"apiVersion": API_VERSION, "kind": SCHEDULE_KIND, "metadata": {"name": name}, "spec": given}


@dataclass(frozen=True)
class Subject:
    """Which kind is tested, and an example of all that happens to it."""

    kind: Kind[Any]
    short: str
    """As kubectl abbreviates it."""
    document: Callable[..., dict[str, Any]]
    status: Any
    another_status: Any
    change: dict[str, Any]
    """Another spec."""
    field: str
    value: object
    """What a model shows of `change`."""
    wrong: dict[str, Any]
    problem: str
    """The field of `wrong` that makes no sense."""


QUEUES = Subject(
    WORKER_QUEUES,
    "wq",
    document,
    WorkerQueueStatus(replicas=3),
    WorkerQueueStatus(replicas=4),
    {"replicas": 2},
    "replicas",
    2,
    {"scaling": {"maxReplicas": "many"}},
    "spec.scaling.maxReplicas",
)
SCHEDULED = Subject(
    SCHEDULES,
    "sched",
    schedule_document,
    ScheduleStatus(missed=3),
    ScheduleStatus(missed=4),
    {"timeZone": "Europe/Berlin"},
    "time_zone",
    "Europe/Berlin",
    {"suspend": "often"},
    "spec.suspend",
)
BOTH = pytest.mark.parametrize("subject", [QUEUES, SCHEDULED], ids=lambda subject: subject.kind.name)


class Shelf(ABC):
    """Resources to be tested, and the ways in which people change what is there."""

    namespace = "default"

    def __init__(self, subject: Subject, objects: Resources[Any, Any]) -> None:
        self.subject = subject
        self.objects = objects
        self.heard: list[Applied[Any] | Refused | Deleted] = []

    @abstractmethod
    async def apply(self, doc: dict[str, Any]) -> None:
        """Create or replace an object, good or bad."""

    @abstractmethod
    async def delete(self, name: str) -> None:
        """Delete one."""

    @abstractmethod
    async def annotate(self, name: str, annotation: str, value: str | None) -> None:
        """Write an annotation, None: remove it."""

    def document(self, name: str = "emails", **spec: Any) -> dict[str, Any]:
        """An object as YAML has it."""
        return self.subject.document(name, **spec)

    def key(self, name: str = "emails") -> ObjectKey:
        return ObjectKey(self.namespace, name)

    def last(self, name: str = "emails") -> Applied[Any] | Refused | Deleted | None:
        return next((change for change in reversed(self.heard) if change.key == self.key(name)), None)

    def resource(self, name: str = "emails") -> Any:
        """As last told."""
        change = self.last(name)
        assert isinstance(change, Applied), f"told {change}"
        return change.resource

    def is_changed(self) -> bool:
        """The last one told has the changed spec."""
        return bool(getattr(self.resource().spec, self.subject.field) == self.subject.value)

    async def until(self, what: str, is_so: Callable[[], bool]) -> None:
        give_up = time.monotonic() + PATIENCE
        while not is_so():
            assert time.monotonic() < give_up, f"still not: {what}; told {self.heard[-3:]}"
            await asyncio.sleep(0.01)

    async def applied(self, name: str = "emails") -> Any:
        await self.until(f"{name} is told", lambda: isinstance(self.last(name), Applied))
        return self.resource(name)

    async def annotated(self, annotation: str, value: str | None) -> Any:
        def is_so() -> bool:
            change = self.last()
            return isinstance(change, Applied) and change.resource.metadata.annotations.get(annotation) == value

        await self.until(f"{annotation} is {value}", is_so)
        return self.resource()


@BOTH
class ObjectsContract:
    """Tests by the docstrings of Resources."""

    @pytest.fixture
    async def shelf(self, subject: Subject) -> Shelf:
        raise NotImplementedError("override me: apply subject.document('emails'), subscribe heard.append")

    async def test_what_exists_is_told(self, shelf: Shelf) -> None:
        found = await shelf.applied()
        assert found.key == shelf.key()
        assert found.metadata.resource_version
        assert found.metadata.uid or shelf.subject is QUEUES, "Redis knows a Schedule by its uid"
        late: list[object] = []
        shelf.objects.subscribe(late.append)
        await shelf.until("a late subscriber is told, too", lambda: bool(late))

    async def test_changes_are_told(self, shelf: Shelf) -> None:
        first = await shelf.applied()
        await shelf.apply(shelf.document(**shelf.subject.change))
        await shelf.until("the change is told", shelf.is_changed)
        assert shelf.resource().metadata.generation > first.metadata.generation
        assert shelf.resource().metadata.resource_version != first.metadata.resource_version
        assert shelf.resource().metadata.uid == first.metadata.uid
        await shelf.apply(shelf.document("reports"))
        await shelf.applied("reports")
        assert shelf.resource("reports").metadata.uid != first.metadata.uid or not first.metadata.uid

    async def test_a_deletion_is_told(self, shelf: Shelf) -> None:
        await shelf.apply(shelf.document("reports"))
        await shelf.applied("reports")
        await shelf.delete("reports")
        await shelf.until("it is told", lambda: isinstance(shelf.last("reports"), Deleted))
        with pytest.raises((ObjectGoneError, ObjectChangedError)):
            await shelf.objects.write_status(shelf.key("reports"), "1", shelf.subject.status)

    async def test_a_status_is_written_and_told(self, shelf: Shelf) -> None:
        found, subject = await shelf.applied(), shelf.subject
        version = await shelf.objects.write_status(shelf.key(), found.metadata.resource_version, subject.status)
        await shelf.until("the status is told", lambda: shelf.resource().status == subject.status)
        assert shelf.resource().metadata.resource_version == version
        assert shelf.resource().metadata.generation == found.metadata.generation, "a status is no new spec"
        again = await shelf.objects.write_status(shelf.key(), version, subject.another_status)
        assert again != version

    async def test_a_stale_status_is_refused(self, shelf: Shelf) -> None:
        stale = (await shelf.applied()).metadata.resource_version
        await shelf.apply(shelf.document(**shelf.subject.change))
        await shelf.until("the change is told", shelf.is_changed)
        with pytest.raises(ObjectChangedError):
            await shelf.objects.write_status(shelf.key(), stale, shelf.subject.status)
        assert shelf.resource().status is None

    async def test_a_request_is_accepted_once(self, shelf: Shelf) -> None:
        kind = shelf.subject.kind
        await shelf.applied()
        assert not await shelf.objects.accept(shelf.key(), "all", "r1"), "nobody asked"
        await shelf.annotate("emails", kind.request, "all")
        await shelf.annotated(kind.request, "all")
        assert not await shelf.objects.accept(shelf.key(), "id=7", "r1"), "that is not what was asked"
        assert await shelf.objects.accept(shelf.key(), "all", "r1")
        assert await shelf.objects.accept(shelf.key(), "all", "r1"), "a repeated call"
        assert not await shelf.objects.accept(shelf.key(), "all", "r2"), "another id is noted"
        await shelf.annotated(kind.accepted, "r1")

    async def test_a_finished_request_is_removed(self, shelf: Shelf) -> None:
        kind = shelf.subject.kind
        await shelf.applied()
        await shelf.annotate("emails", kind.request, "all")
        await shelf.annotated(kind.request, "all")
        assert await shelf.objects.accept(shelf.key(), "all", "r1")
        await shelf.objects.finish(shelf.key(), "another", "all")
        await shelf.annotated(kind.accepted, "r1")
        await shelf.objects.finish(shelf.key(), "r1", "all")
        found = await shelf.annotated(kind.request, None)
        assert kind.accepted not in found.metadata.annotations
        await shelf.objects.finish(shelf.key(), "r1", "all")

    @pytest.mark.parametrize("value", ["id=7", None])
    async def test_a_request_that_came_meanwhile_is_not_removed_with_the_one_that_ends(
        self, shelf: Shelf, value: str | None
    ) -> None:
        kind = shelf.subject.kind
        await shelf.applied()
        await shelf.annotate("emails", kind.request, "all")
        await shelf.annotated(kind.request, "all")
        assert await shelf.objects.accept(shelf.key(), "all", "r1")
        await shelf.objects.finish(shelf.key(), "r1", value)
        found = await shelf.annotated(kind.accepted, None)
        assert found.metadata.annotations[kind.request] == "all"
        assert await shelf.objects.accept(shelf.key(), "all", "r2")

    async def test_events_never_fail(self, shelf: Shelf) -> None:
        await shelf.applied()
        await shelf.objects.emit(shelf.key(), EventKind.NORMAL, "Scaled", "from 0 to 1 workers")
        await shelf.objects.emit(shelf.key("nobody"), EventKind.WARNING, "Scaled", "x" * 5000)


class RefusingObjectsContract(ObjectsContract):
    """For Resources in which something can stand that makes no sense, since no API server keeps it out."""

    async def test_what_makes_no_sense_is_refused_by_name(self, shelf: Shelf) -> None:
        await shelf.applied()
        await shelf.apply(shelf.document(**shelf.subject.wrong))
        await shelf.until("it is refused", lambda: isinstance(shelf.last(), Refused))
        refused = shelf.last()
        assert isinstance(refused, Refused)
        assert shelf.subject.problem in refused.problem
        version = await shelf.objects.write_status(shelf.key(), refused.resource_version, shelf.subject.status)
        assert version != refused.resource_version
        await shelf.apply(shelf.document(**shelf.subject.change))
        await shelf.applied()
        assert shelf.is_changed()
