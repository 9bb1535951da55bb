"""Versions, vanished workers, bad specs and conflicts, seen through the whole loop."""

from __future__ import annotations

from typing import Any

import pytest

from headrace_operator.core.conditions import ConditionReason, ConditionType
from headrace_operator.seams.errors import ObjectChangedError
from headrace_operator.seams.runtime import WorkerPhase
from support.fleet_rig import Rig, until

LEASE_MS = 600_000


async def join(rig: Rig, sid: str, worker: str, *, version: str = "v1", started_ms: int = 1) -> None:
    """A session of that worker."""
    await rig.seeder(sid=sid).join(worker=worker, lease_ms=LEASE_MS, version=version, started_ms=started_ms)


async def leased(rig: Rig) -> int:
    return (await rig.admin().stats()).leased


async def test_a_new_version_replaces_the_old_one_worker_by_worker(rig: Rig) -> None:
    rig.runtime.instant = False
    key = rig.apply(replicas=3)
    async with rig.running():
        await rig.has_workers(key, 3)
        rig.runtime.start(key)
        await rig.reason(key, ConditionType.PROGRESSING, ConditionReason.UP_TO_DATE)
        rig.apply(replicas=3, worker={"app": "app2"})
        await rig.reason(key, ConditionType.PROGRESSING, ConditionReason.ROLLING_OUT)

        async def done() -> bool:
            workers = await rig.runtime.workers(key)
            assert len(workers) <= 4, "desired + maxSurge, terminating ones included"
            ready = [worker for worker in workers if worker.phase is WorkerPhase.READY]
            assert len(ready) >= 2, "an old one goes only when a new one does its work"
            if not rig.runtime.start(key, 1):
                rig.runtime.end(key, 1)
            found = await rig.runtime.versions(key)
            return [(one.app, one.ready) for one in found] == [("app2", 3)]

        await until("version 2 has taken over", done)
        await rig.reason(key, ConditionType.PROGRESSING, ConditionReason.UP_TO_DATE)
    told = [event.reason for event in rig.objects.events]
    assert told.count("RolloutStarted") == told.count("RolloutFinished") == 1


async def test_a_failing_version_leaves_the_old_one_running(rig: Rig) -> None:
    rig.runtime.instant = False
    key = rig.apply(replicas=2)
    async with rig.running():
        await rig.has_workers(key, 2)
        rig.runtime.start(key)
        await rig.reason(key, ConditionType.PROGRESSING, ConditionReason.UP_TO_DATE)
        rig.apply(replicas=2, worker={"app": "app2"})
        await rig.has_workers(key, 3)
        new = next(one.hash for one in await rig.runtime.versions(key) if one.app == "app2")
        rig.runtime.fail(key, new, "SyntaxError in line 7")
        await rig.reason(key, ConditionType.PROGRESSING, ConditionReason.VERSION_FAILING)
        found = rig.condition(key, ConditionType.PROGRESSING)
        assert found is not None
        assert "SyntaxError in line 7" in found.message
        old = next(one for one in await rig.runtime.versions(key) if one.app == "app")
        assert (old.desired, old.ready) == (2, 2)


async def test_the_jobs_of_a_vanished_worker_are_taken_back_at_once(rig: Rig) -> None:
    key = rig.apply(replicas=1)
    async with rig.running():
        await rig.has_workers(key, 1)
        worker = (await rig.runtime.workers(key))[0].id
        await join(rig, "s1", worker)
        await rig.seeder().enqueue("a")
        await rig.seeder().exchange(1)
        await rig.says(key, "one is leased", lambda status: bool(status.queue and status.queue.leased == 1))
        rig.runtime.lose(key, worker)
        rig.controller.wake(key)

        async def taken_back() -> bool:
            stats = await rig.admin().stats()
            return (stats.leased, stats.ready) == (0, 1)

        await until("the job is ready again", taken_back)


async def test_a_container_started_anew_gives_up_the_jobs_of_the_old_one(rig: Rig) -> None:
    key = rig.apply(replicas=1)
    async with rig.running():
        await rig.has_workers(key, 1)
        worker = (await rig.runtime.workers(key))[0].id
        await join(rig, "s1", worker, started_ms=1000)
        await rig.seeder().enqueue("a")
        await rig.seeder().exchange(1)
        await join(rig, "s2", worker, started_ms=2000)

        async def taken_back() -> bool:
            stats = await rig.admin().stats()
            return (stats.leased, [one.sid for one in stats.workers]) == (0, ["s2"])

        await until("only the new session is left", taken_back)


@pytest.mark.parametrize(("worker", "version"), [("never-seen", "v1"), ("by-hand", "")])
async def test_a_worker_that_was_never_seen_is_left_alone(rig: Rig, worker: str, version: str) -> None:
    key = rig.apply(replicas=1)
    async with rig.running():
        await join(rig, "s1", worker, version=version)
        await rig.seeder().enqueue("a")
        await rig.seeder().exchange(1)
        await rig.says(key, "one is leased", lambda status: bool(status.queue and status.queue.leased == 1))
        rig.apply(replicas=2)
        await rig.has_workers(key, 2)
        assert await leased(rig) == 1


async def test_a_spec_that_makes_no_sense_leaves_the_last_good_one_in_force(rig: Rig) -> None:
    key = rig.apply(replicas=1)
    async with rig.running():
        await rig.has_workers(key, 1)
        rig.apply(replicas="many")
        await rig.reason(key, ConditionType.READY, ConditionReason.INVALID_SPEC)
        assert await rig.workers(key) == 1
        rig.apply(replicas=2)
        await rig.has_workers(key, 2)
        await rig.reason(key, ConditionType.READY, ConditionReason.ACCEPTED)


async def test_a_spec_that_never_made_sense_is_told(rig: Rig) -> None:
    key = rig.apply(replicas="many")
    async with rig.running():
        await rig.reason(key, ConditionType.READY, ConditionReason.INVALID_SPEC)
        assert await rig.runtime.versions(key) == []
        rig.apply(replicas=1)
        await rig.has_workers(key, 1)


async def test_a_conflicting_write_is_made_again_with_the_change(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    key = rig.apply(replicas=1)
    original = rig.objects.write_status
    conflicts = 0

    async def conflict(key: Any, version: str, status: Any) -> str:
        nonlocal conflicts
        conflicts += 1
        if conflicts == 1:
            rig.objects.annotate(key, "somebody", "else")
            raise ObjectChangedError("somebody else was faster")
        return await original(key, version, status)

    monkeypatch.setattr(rig.objects, "write_status", conflict)
    async with rig.running():
        await rig.reason(key, ConditionType.READY, ConditionReason.ACCEPTED)
    assert conflicts > 1
    assert len({(event.reason, event.message) for event in rig.objects.events}) == len(rig.objects.events), "none twice"


async def test_at_rest_nothing_is_written(rig: Rig) -> None:
    key = rig.apply(replicas=1)
    async with rig.running():
        await rig.reason(key, ConditionType.PROGRESSING, ConditionReason.UP_TO_DATE)
        await rig.reason(key, ConditionType.REDIS_AVAILABLE, ConditionReason.REACHABLE)
        writes, calls = len(rig.objects.writes), len(rig.runtime.calls)
        for _ in range(20):
            rig.controller.wake()
            await rig.admin().stats()  # lets it happen
        assert (len(rig.objects.writes), len(rig.runtime.calls)) == (writes, calls)
