"""The Objects seam as tests. Subclass it, override the fixture `shelf`, and every promise is tested."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import pytest

from headrace_operator.api.names import API_VERSION, KIND, REPLAY_ANNOTATION, REPLAY_ID_ANNOTATION, QueueKey
from headrace_operator.api.status import WorkerQueueStatus
from headrace_operator.api.worker_queue import WorkerQueue
from headrace_operator.seams.errors import ObjectChangedError, ObjectGoneError
from headrace_operator.seams.objects import Applied, Change, Deleted, EventKind, Objects, Refused

PATIENCE = 20.0
STATUS = WorkerQueueStatus(replicas=3)


def document(name: str = "emails", **spec: Any) -> dict[str, Any]:
    """A WorkerQueue as YAML has it."""
    given = {"redis": {"url": "redis://r"}, "queues": [{"name": "q"}], "worker": {"app": "app"}} | spec
    return {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": name}, "spec": given}


class Shelf(ABC):
    """Objects to be tested, and the ways in which people change what is there."""

    namespace = "default"

    def __init__(self, objects: Objects) -> None:
        self.objects = objects
        self.heard: list[Change] = []

    @abstractmethod
    async def apply(self, doc: dict[str, Any]) -> None:
        """Create or replace a WorkerQueue, good or bad."""

    @abstractmethod
    async def delete(self, name: str) -> None:
        """Delete one."""

    @abstractmethod
    async def annotate(self, name: str, annotation: str, value: str | None) -> None:
        """Write an annotation, None: remove it."""

    def key(self, name: str = "emails") -> QueueKey:
        return QueueKey(self.namespace, name)

    def last(self, name: str = "emails") -> Change | None:
        return next((change for change in reversed(self.heard) if change.key == self.key(name)), None)

    def queue(self, name: str = "emails") -> WorkerQueue:
        """As last told."""
        change = self.last(name)
        assert isinstance(change, Applied), f"told {change}"
        return change.queue

    async def until(self, what: str, is_so: Callable[[], bool]) -> None:
        give_up = time.monotonic() + PATIENCE
        while not is_so():
            assert time.monotonic() < give_up, f"still not: {what}; told {self.heard[-3:]}"
            await asyncio.sleep(0.01)

    async def applied(self, name: str = "emails") -> WorkerQueue:
        await self.until(f"{name} is told", lambda: isinstance(self.last(name), Applied))
        return self.queue(name)

    async def annotated(self, annotation: str, value: str | None) -> WorkerQueue:
        def is_so() -> bool:
            change = self.last()
            return isinstance(change, Applied) and change.queue.metadata.annotations.get(annotation) == value

        await self.until(f"{annotation} is {value}", is_so)
        return self.queue()


class ObjectsContract:
    """Tests by the docstrings of Objects."""

    @pytest.fixture
    async def shelf(self) -> Shelf:
        raise NotImplementedError("override me: apply document('emails'), subscribe heard.append")

    async def test_what_exists_is_told(self, shelf: Shelf) -> None:
        queue = await shelf.applied()
        assert queue.key == shelf.key()
        assert queue.metadata.resource_version
        late: list[Change] = []
        shelf.objects.subscribe(late.append)
        await shelf.until("a late subscriber is told, too", lambda: bool(late))

    async def test_changes_are_told(self, shelf: Shelf) -> None:
        first = await shelf.applied()
        await shelf.apply(document(replicas=2))
        await shelf.until("the change is told", lambda: shelf.queue().spec.replicas == 2)
        assert shelf.queue().metadata.generation > first.metadata.generation
        assert shelf.queue().metadata.resource_version != first.metadata.resource_version
        await shelf.apply(document("reports"))
        await shelf.applied("reports")

    async def test_a_deletion_is_told(self, shelf: Shelf) -> None:
        await shelf.apply(document("reports"))
        await shelf.applied("reports")
        await shelf.delete("reports")
        await shelf.until("it is told", lambda: isinstance(shelf.last("reports"), Deleted))
        with pytest.raises((ObjectGoneError, ObjectChangedError)):
            await shelf.objects.write_status(shelf.key("reports"), "1", STATUS)

    async def test_a_status_is_written_and_told(self, shelf: Shelf) -> None:
        queue = await shelf.applied()
        version = await shelf.objects.write_status(shelf.key(), queue.metadata.resource_version, STATUS)
        await shelf.until("the status is told", lambda: shelf.queue().status == STATUS)
        assert shelf.queue().metadata.resource_version == version
        assert shelf.queue().metadata.generation == queue.metadata.generation, "a status is no new spec"
        again = await shelf.objects.write_status(shelf.key(), version, STATUS.model_copy(update={"replicas": 4}))
        assert again != version

    async def test_a_stale_status_is_refused(self, shelf: Shelf) -> None:
        stale = (await shelf.applied()).metadata.resource_version
        await shelf.apply(document(replicas=2))
        await shelf.until("the change is told", lambda: shelf.queue().spec.replicas == 2)
        with pytest.raises(ObjectChangedError):
            await shelf.objects.write_status(shelf.key(), stale, STATUS)
        assert shelf.queue().status is None

    async def test_a_replay_is_accepted_once(self, shelf: Shelf) -> None:
        await shelf.applied()
        assert not await shelf.objects.accept(shelf.key(), "all", "r1"), "nobody asked"
        await shelf.annotate("emails", REPLAY_ANNOTATION, "all")
        await shelf.annotated(REPLAY_ANNOTATION, "all")
        assert not await shelf.objects.accept(shelf.key(), "id=7", "r1"), "that is not what was asked"
        assert await shelf.objects.accept(shelf.key(), "all", "r1")
        assert await shelf.objects.accept(shelf.key(), "all", "r1"), "a repeated call"
        assert not await shelf.objects.accept(shelf.key(), "all", "r2"), "another id is noted"
        await shelf.annotated(REPLAY_ID_ANNOTATION, "r1")

    async def test_a_finished_replay_is_removed(self, shelf: Shelf) -> None:
        await shelf.applied()
        await shelf.annotate("emails", REPLAY_ANNOTATION, "all")
        await shelf.annotated(REPLAY_ANNOTATION, "all")
        assert await shelf.objects.accept(shelf.key(), "all", "r1")
        await shelf.objects.finish(shelf.key(), "another")
        await shelf.annotated(REPLAY_ID_ANNOTATION, "r1")
        await shelf.objects.finish(shelf.key(), "r1")
        queue = await shelf.annotated(REPLAY_ANNOTATION, None)
        assert REPLAY_ID_ANNOTATION not in queue.metadata.annotations
        await shelf.objects.finish(shelf.key(), "r1")

    async def test_events_never_fail(self, shelf: Shelf) -> None:
        await shelf.applied()
        await shelf.objects.emit(shelf.key(), EventKind.NORMAL, "Scaled", "from 0 to 1 workers")
        await shelf.objects.emit(shelf.key("nobody"), EventKind.WARNING, "Scaled", "x" * 5000)


class RefusingObjectsContract(ObjectsContract):
    """For Objects in which something can stand that makes no sense, since no API server keeps it out."""

    async def test_what_makes_no_sense_is_refused_by_name(self, shelf: Shelf) -> None:
        await shelf.applied()
        await shelf.apply(document(scaling={"maxReplicas": "many"}))
        await shelf.until("it is refused", lambda: isinstance(shelf.last(), Refused))
        refused = shelf.last()
        assert isinstance(refused, Refused)
        assert "spec.scaling.maxReplicas" in refused.problem
        version = await shelf.objects.write_status(shelf.key(), refused.resource_version, STATUS)
        assert version != refused.resource_version
        await shelf.apply(document(scaling={"maxReplicas": 3}))
        assert (await shelf.applied()).spec.scaling.max_replicas == 3
