"""The in-memory twins: what only they have. What every Runtime and Objects must do is in the conformance suites."""

from __future__ import annotations

import pytest

from headrace_operator.api.names import REPLAY_ANNOTATION, QueueKey
from headrace_operator.api.status import WorkerQueueStatus
from headrace_operator.api.worker_queue import load_worker_queue
from headrace_operator.objects.memory import MemoryObjects
from headrace_operator.runtimes.memory import MemoryRuntime
from headrace_operator.seams.errors import (
    ObjectChangedError,
    ObjectGoneError,
    ObjectsUnavailableError,
    RuntimeUnavailableError,
    VersionNotFoundError,
)
from headrace_operator.seams.objects import Applied, Change, Deleted, Objects, Pending, Refused, pending_replay
from headrace_operator.seams.runtime import Runtime, VersionSpec, VersionState, WorkerPhase
from support.bad_queues import good_queue, patched

KEY = QueueKey("default", "emails")
ONE = VersionSpec("one", load_worker_queue(good_queue()).spec)


def counts(states: list[VersionState]) -> list[tuple[str, int, int, int]]:
    return [(state.hash, state.desired, state.ready, state.terminating) for state in states]


async def test_workers_start_and_end_when_told() -> None:
    memory = MemoryRuntime()
    runtime: Runtime = memory
    await runtime.ensure(KEY, ONE)
    await runtime.ensure(KEY, ONE)
    await runtime.scale(KEY, "one", 3)
    assert counts(await runtime.versions(KEY)) == [("one", 3, 0, 0)]
    assert memory.start(KEY, 2) == 2
    await runtime.aim(KEY, {"one-1"})
    await runtime.scale(KEY, "one", 1)
    assert counts(await runtime.versions(KEY)) == [("one", 1, 1, 2)]
    assert [worker.id for worker in await runtime.workers(KEY) if worker.phase is WorkerPhase.READY] == ["one-2"]
    await runtime.scale(KEY, "one", 1)
    assert memory.end(KEY) == 2
    assert counts(await runtime.versions(KEY)) == [("one", 1, 1, 0)]
    assert memory.calls == [("ensure", "one"), ("scale", "one", "3"), ("aim", "one-1"), ("scale", "one", "1")]


async def test_what_is_removed_drains() -> None:
    memory = MemoryRuntime()
    await memory.ensure(KEY, ONE)
    await memory.scale(KEY, "one", 2)
    await memory.remove_all(KEY)
    await memory.remove_all(KEY)
    assert await memory.versions(KEY) == []
    assert [worker.phase for worker in await memory.workers(KEY)] == [WorkerPhase.TERMINATING] * 2
    assert memory.end(KEY) == 2
    with pytest.raises(VersionNotFoundError):
        await memory.scale(KEY, "one", 1)


async def test_a_failing_version_heals() -> None:
    memory = MemoryRuntime()
    await memory.ensure(KEY, ONE)
    memory.fail(KEY, "one", "ImportError: mail")
    assert (await memory.versions(KEY))[0].failing is None
    await memory.scale(KEY, "one", 2)
    assert memory.start(KEY) == 0
    assert (await memory.versions(KEY))[0].failing == "ImportError: mail"
    assert {worker.message for worker in await memory.workers(KEY)} == {"ImportError: mail"}
    memory.fail(KEY, "one", None)
    assert memory.start(KEY) == 2


async def test_instant_workers_and_lost_ones() -> None:
    memory = MemoryRuntime(instant=True)
    await memory.ensure(KEY, ONE)
    await memory.scale(KEY, "one", 2)
    memory.lose(KEY, "one-1")
    assert [worker.id for worker in await memory.workers(KEY)] == ["one-2", "one-3"]
    await memory.scale(KEY, "one", 0)
    assert counts(await memory.versions(KEY)) == [("one", 0, 0, 0)]


async def test_an_outage_of_the_runtime() -> None:
    memory = MemoryRuntime()
    memory.outage = "connection refused"
    with pytest.raises(RuntimeUnavailableError, match="connection refused"):
        await memory.versions(KEY)


def watched() -> tuple[MemoryObjects, list[Change]]:
    memory, changes = MemoryObjects(), list[Change]()
    objects: Objects = memory
    objects.subscribe(changes.append)
    return memory, changes


def test_changes_are_told() -> None:
    memory, changes = watched()
    memory.apply(good_queue())
    memory.apply(patched(good_queue(), {"spec.replicas": 3}))
    memory.apply(patched(good_queue(), {"spec.replicas": -3}))
    memory.delete(KEY)
    first, second, third, last = changes
    assert isinstance(first, Applied)
    assert isinstance(second, Applied)
    assert (first.resource.metadata.generation, second.resource.metadata.generation) == (1, 2)
    assert second.resource.spec.replicas == 3
    assert third == Refused(KEY, "spec.replicas: must be ≥ 0, got -3", 3, "3")
    assert last == Deleted(KEY)


def test_a_late_subscriber_is_told_what_exists() -> None:
    memory, _ = watched()
    memory.apply(good_queue())
    late: list[Change] = []
    memory.subscribe(late.append)
    assert [change.key for change in late] == [KEY]


async def test_a_status_needs_the_version_that_was_read() -> None:
    memory, changes = watched()
    memory.apply(good_queue())
    status = WorkerQueueStatus(replicas=2)
    version = await memory.write_status(KEY, memory.get(KEY).metadata.resource_version, status)
    assert memory.get(KEY).metadata.resource_version == version
    assert memory.get(KEY).metadata.generation == 1
    assert isinstance(changes[-1], Applied)
    assert changes[-1].resource.status == status
    with pytest.raises(ObjectChangedError):
        await memory.write_status(KEY, "1", status)
    memory.outage = "503"
    with pytest.raises(ObjectsUnavailableError):
        await memory.write_status(KEY, version, status)
    memory.outage = None
    memory.delete(KEY)
    with pytest.raises(ObjectGoneError):
        await memory.write_status(KEY, version, status)


async def test_a_replay_is_accepted_once_and_removed_once() -> None:
    memory, _ = watched()
    memory.apply(good_queue())
    assert pending_replay(memory.get(KEY)) is None
    memory.annotate(KEY, REPLAY_ANNOTATION, "all")
    assert pending_replay(memory.get(KEY)) == Pending("all", None)
    assert not await memory.accept(KEY, "id=a", "r1")
    assert await memory.accept(KEY, "all", "r1")
    assert await memory.accept(KEY, "all", "r1")
    assert not await memory.accept(KEY, "all", "r2")
    assert pending_replay(memory.get(KEY)) == Pending("all", "r1")
    await memory.finish(KEY, "r2", "all")
    assert pending_replay(memory.get(KEY)) is not None
    await memory.finish(KEY, "r1", "all")
    await memory.finish(KEY, "r1", "all")
    assert pending_replay(memory.get(KEY)) is None
