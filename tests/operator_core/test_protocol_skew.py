"""K20 through the whole loop: a fleet that the operator doesn't understand stays as it is, and the status says why."""

from __future__ import annotations

import pytest

from headrace.contract.protocol import PROTOCOL
from headrace_operator.core.conditions import ConditionReason, ConditionType
from headrace_operator.core.decision import Reason
from headrace_operator.core.observation import Unknown
from support.fleet_rig import Rig
from support.seeding import Seeder

NEXT = PROTOCOL + 1
LEASE_MS = 600_000


async def join(seeder: Seeder, worker: str, protocol: int) -> None:
    await seeder.join(worker=worker, lease_ms=LEASE_MS, protocol=protocol)


async def test_a_newer_worker_freezes_the_fleet_until_the_operator_is_upgraded(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = rig.apply()
    seeder = rig.seeder()
    async with rig.running():
        await seeder.enqueue(*map(str, range(20)))
        await rig.has_workers(key, 2)
        [name, _] = [worker.id for worker in await rig.runtime.workers(key)]
        await join(seeder, name, NEXT)
        await rig.reason(key, ConditionType.REDIS_AVAILABLE, Unknown.PROTOCOL_MISMATCH)
        found = rig.condition(key, ConditionType.REDIS_AVAILABLE)
        assert found is not None
        assert f"worker {name} speaks protocol {NEXT}, this operator understands {PROTOCOL} at most" in found.message
        assert "upgrade the operator" in found.message
        await rig.admin().control.purge()
        await seeder.enqueue(*map(str, range(100, 150)))
        await rig.says(key, "held", lambda status: held(status.last_decision))
        assert await rig.workers(key) == 2
        assert "RedisUnavailable" in [event.reason for event in rig.objects.events]
    monkeypatch.setattr("headrace_operator.core.skew.mismatch.__kwdefaults__", {"own": NEXT})
    async with rig.running():
        await rig.reason(key, ConditionType.REDIS_AVAILABLE, ConditionReason.REACHABLE)
        await rig.has_workers(key, 5)


def held(decision: object) -> bool:
    return getattr(decision, "reason", None) == Reason.STATS_UNAVAILABLE


async def test_what_a_newer_worker_has_left_behind_is_not_touched(rig: Rig) -> None:
    seeder = rig.seeder()
    await join(seeder, "long-gone", NEXT)
    await seeder.run("leave", seeder.sid)
    await seeder.enqueue("a")
    key = rig.apply()
    async with rig.running():
        await rig.reason(key, ConditionType.REDIS_AVAILABLE, Unknown.PROTOCOL_MISMATCH)
        assert await rig.workers(key) == 0
        stats = await rig.admin().stats()
        assert (stats.ready, stats.asleep, stats.owner) == (1, False, None)


async def test_one_queue_beyond_us_is_no_matter_of_another_fleet(rig: Rig) -> None:
    await join(rig.seeder("new"), "w", NEXT)
    beyond, other = rig.apply("beyond", queue="new"), rig.apply("other", queue="old")
    async with rig.running():
        await rig.reason(beyond, ConditionType.REDIS_AVAILABLE, Unknown.PROTOCOL_MISMATCH)
        await rig.seeder("old").enqueue("a")
        await rig.has_workers(other, 1)
        await rig.reason(other, ConditionType.REDIS_AVAILABLE, ConditionReason.REACHABLE)


async def test_a_worker_too_far_behind_is_named_and_the_fleet_can_be_emptied_of_it(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headrace_operator.core.skew.mismatch.__kwdefaults__", {"own": PROTOCOL + 2})
    rig.runtime.instant = False
    key = rig.apply()
    seeder = rig.seeder()
    await seeder.enqueue("a")
    async with rig.running():
        await rig.has_workers(key, 1)
        rig.runtime.start(key)
        [worker] = await rig.runtime.workers(key)
        await join(seeder, worker.id, PROTOCOL)
        await rig.reason(key, ConditionType.REDIS_AVAILABLE, Unknown.PROTOCOL_MISMATCH)
        found = rig.condition(key, ConditionType.REDIS_AVAILABLE)
        assert found is not None
        assert (
            f"worker {worker.id} speaks protocol {PROTOCOL}, this operator works with {PROTOCOL + 1}" in found.message
        )
        assert "set spec.replicas to 0" in found.message
        rig.apply(replicas=0)
        await rig.has_workers(key, 0)
        await seeder.run("leave", seeder.sid)
        rig.runtime.end(key)
        await rig.reason(key, ConditionType.REDIS_AVAILABLE, ConditionReason.REACHABLE)
        rig.apply()
        await rig.has_workers(key, 1)
