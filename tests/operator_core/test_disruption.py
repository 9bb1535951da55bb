"""Through the whole loop: workers in the middle of long jobs are protected, and never on numbers that are unknown."""

from __future__ import annotations

import pytest

from headrace_operator.api.names import QueueKey
from headrace_operator.core.conditions import ConditionReason, ConditionType
from headrace_operator.core.observation import Unknown
from headrace_operator.seams.errors import RuntimeUnavailableError
from support.fleet_rig import Rig, until
from support.seeding import Seeder

LEASE_MS = 600_000


async def tell(seeder: Seeder, worker: str, busy_ms: int) -> None:
    """A worker's sign of life."""
    await seeder.join(worker=worker, lease_ms=LEASE_MS, running=1, busy_ms=busy_ms)


async def busy_worker(rig: Rig, key: QueueKey, busy_ms: int) -> tuple[str, Seeder]:
    """One of two workers, protected for the job `a` that it has held for so long; with its session."""
    name, _ = await workers(rig, key)
    seeder = rig.seeder()
    await seeder.enqueue("a")
    await tell(seeder, name, busy_ms)
    await seeder.exchange(1)
    await protected(rig, key, name)
    return name, seeder


async def end(seeder: Seeder) -> None:
    """The job `a` leaves its worker."""
    await seeder.exchange(0, ["release", "a", seeder.claim, "1", 60_000])


async def protected(rig: Rig, key: QueueKey, *names: str) -> None:
    async def is_so() -> bool:
        return {one.id for one in await rig.runtime.workers(key) if one.protected} == set(names)

    await until(f"{names} are protected", is_so)


async def workers(rig: Rig, key: QueueKey) -> list[str]:
    await rig.has_workers(key, 2)
    return [worker.id for worker in await rig.runtime.workers(key)]


async def test_a_long_job_protects_its_worker_until_it_ends(rig: Rig) -> None:
    key = rig.apply(replicas=2)
    async with rig.running():
        long, short = await workers(rig, key)
        first, second = rig.seeder(sid="s1"), rig.seeder(sid="s2")
        await first.enqueue("a", "b")
        for seeder, name, busy_ms in ((first, long, 30_001), (second, short, 29_000)):
            await tell(seeder, name, busy_ms)
            assert len(await seeder.exchange(1)) == 1
        await protected(rig, key, long)
        await tell(second, short, 31_000)
        await end(first)
        await protected(rig, key, short)


async def test_the_time_that_protects_is_the_spec_s(rig: Rig) -> None:
    key = rig.apply(replicas=2, disruption={"protectAfterSeconds": 2})
    async with rig.running():
        await busy_worker(rig, key, 2000)
        rig.apply(replicas=2)
        await protected(rig, key)


async def test_an_unknown_queue_leaves_the_marks_as_they_are(rig: Rig) -> None:
    key = rig.apply(replicas=2)
    async with rig.running():
        name, _ = await busy_worker(rig, key, 40_000)
        await rig.link.request("SET", "hr:{q}:jobs-are-here", "1")
        await rig.link.request("DEL", "hr:{q}:sess")
        await rig.link.request("SET", "hr:{q}:sess", "no zset")
        await rig.reason(key, ConditionType.REDIS_AVAILABLE, Unknown.WRONG_DATA)
        rig.apply(replicas=2, disruption={"maxUnavailable": 2})

        async def looked_again() -> bool:
            return rig.runtime.limit(key) == 2

        await until("it has looked again", looked_again)
        await protected(rig, key, name)
        await rig.link.request("DEL", "hr:{q}:sess")
        await protected(rig, key)


async def test_the_limit_of_disruption_follows_the_spec(rig: Rig) -> None:
    key = rig.apply(replicas=2)

    async def limited(to: int | str | None) -> None:
        async def is_so() -> bool:
            return rig.runtime.limit(key) == to

        await until(f"the limit is {to}", is_so)

    async with rig.running():
        await limited(1)
        rig.apply(replicas=2, disruption={"maxUnavailable": "25%"})
        await limited("25%")
        rig.apply(replicas=2, disruption={"podDisruptionBudget": False})
        await limited(None)


async def test_a_place_that_refuses_protection_gets_its_workers_all_the_same(rig: Rig) -> None:
    rig.runtime.unprotectable = "poddisruptionbudgets is forbidden"
    key = rig.apply()
    async with rig.running():
        await rig.seeder().enqueue("a")
        await rig.has_workers(key, 1)
        await rig.reason(key, ConditionType.PROGRESSING, ConditionReason.UP_TO_DATE)


async def test_a_limit_that_cannot_be_set_keeps_no_mark_from_a_worker(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object) -> None:
        raise RuntimeUnavailableError("there is a PodDisruptionBudget emails already")

    monkeypatch.setattr(rig.runtime, "limit_disruption", refuse)
    key = rig.apply(replicas=2)
    async with rig.running():
        _, seeder = await busy_worker(rig, key, 31_000)
        await end(seeder)
        await protected(rig, key)
