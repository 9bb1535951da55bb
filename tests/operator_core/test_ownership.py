"""A queue in Redis belongs to one WorkerQueue, from its claim to its deletion."""

from __future__ import annotations

from headrace_operator.core.conditions import ConditionReason, ConditionType
from headrace_operator.core.decision import Reason
from support.fleet_rig import Rig, until
from support.servers import RedisServer


async def owner(rig: Rig, queue: str = "q") -> str | None:
    return (await rig.admin(queue).stats()).owner


async def owned_by(rig: Rig, name: str | None, queue: str = "q") -> None:
    async def is_so() -> bool:
        return (await owner(rig, queue) or None) == name

    await until(f"{queue} is owned by {name}", is_so)


async def test_the_second_claimant_is_told_and_runs_nothing(rig: Rig) -> None:
    first = rig.apply("first")
    async with rig.running():
        await owned_by(rig, "test/default/first")
        second = rig.apply("second")
        await rig.seeder().enqueue("a")
        await rig.reason(second, ConditionType.READY, ConditionReason.QUEUE_OWNED_ELSEWHERE)
        await rig.has_workers(first, 1)
        assert await rig.workers(second) == 0
        found = rig.condition(second, ConditionType.READY)
        assert found is not None
        assert "test/default/first" in found.message
        status = rig.status(second)
        assert status is not None
        assert status.last_decision is not None
        assert status.last_decision.reason == Reason.OWNED_ELSEWHERE


async def test_a_deleted_owner_drains_and_gives_up_its_queue_but_no_job(rig: Rig) -> None:
    first = rig.apply("first")
    rig.runtime.instant = False
    async with rig.running():
        await rig.seeder().enqueue("a")
        await rig.has_workers(first, 1)
        rig.runtime.start(first)
        second = rig.apply("second")
        await rig.reason(second, ConditionType.READY, ConditionReason.QUEUE_OWNED_ELSEWHERE)
        rig.objects.delete(first)

        async def draining() -> bool:
            return not await rig.runtime.versions(first)

        await until("the deleted one drains", draining)
        assert await owner(rig) == "test/default/first", "not before its workers have ended"
        rig.runtime.end(first)
        await owned_by(rig, "test/default/second")
        await rig.reason(second, ConditionType.READY, ConditionReason.ACCEPTED)
        await rig.has_workers(second, 1)
    assert (await rig.admin().stats()).ready == 1
    await rig.link.close()


async def test_another_cluster_is_another_owner(rig: Rig) -> None:
    await rig.admin().control.claim_ownership("elsewhere/default/emails")
    key = rig.apply()
    async with rig.running():
        await rig.reason(key, ConditionType.READY, ConditionReason.QUEUE_OWNED_ELSEWHERE)
        await rig.admin().control.release_ownership("elsewhere/default/emails")
        await rig.reason(key, ConditionType.READY, ConditionReason.ACCEPTED)


async def test_a_queue_that_the_spec_names_no_more_is_given_up(rig: Rig) -> None:
    rig.apply(queue="old")
    async with rig.running():
        await owned_by(rig, "test/default/emails", "old")
        rig.apply(queue="new")
        await owned_by(rig, "test/default/emails", "new")
        await owned_by(rig, None, "old")


async def test_a_dead_redis_does_not_keep_the_fleet_from_the_next_one(rig: Rig) -> None:
    with RedisServer() as first:
        key = rig.apply(url=first.url)
        async with rig.running():
            await rig.reason(key, ConditionType.REDIS_AVAILABLE, ConditionReason.REACHABLE)
            first.stop()
            rig.apply()
            await owned_by(rig, "test/default/emails")
            await rig.seeder().enqueue("a")
            await rig.has_workers(key, 1)


async def test_a_restarted_operator_still_owns_it(rig: Rig) -> None:
    key = rig.apply()
    async with rig.running():
        await owned_by(rig, "test/default/emails")
    async with rig.running():
        await rig.reason(key, ConditionType.READY, ConditionReason.ACCEPTED)
        await rig.seeder().enqueue("a")
        await rig.has_workers(key, 1)
