"""Where a Schedule's jobs go: from one queue to another, and past a Redis that is away."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from headrace_operator.api.names import ScheduleKey
from support.fleet_rig import until
from support.schedule_rig import FAST, NIGHTLY, ScheduleRig


@pytest.fixture
async def rig(redis_url: str) -> ScheduleRig:
    return await ScheduleRig.served(redis_url)


async def test_a_dead_redis_delays_only_its_own(rig: ScheduleRig) -> None:
    rig.serve("lost", url="redis://127.0.0.1:1/0")
    rig.apply(metadata__name="lost", spec__workerQueue="lost")
    rig.apply()
    lost = ScheduleKey("default", "lost")
    async with rig.running():
        await rig.is_reason("RedisUnavailable", lost)
        began, had = time.monotonic(), await rig.jobs()
        await rig.has_jobs(had + 3)
        assert time.monotonic() - began < 20
        assert rig.told(lost) == ["RedisUnavailable"]
        rig.serve("lost", queue="other")
        await rig.is_reason("QueueNotFound", lost)


async def test_moved_to_another_queue_it_fires_there(rig: ScheduleRig) -> None:
    rig.serve("others", queue="r")
    rig.apply()
    async with rig.running():
        await rig.has_jobs(1)
        rig.apply(spec__workerQueue="others", spec__queue="r")
        await rig.has_jobs(1, "r")

        async def rests() -> bool:
            return (await rig.admin().schedules.look(rig.uid())).suspended

        await until("the record there is at rest", rests)
        had = await rig.jobs()
        rig.apply()
        await rig.has_jobs(had + 1)
        assert (await rig.admin().schedules.look(rig.uid())).missed == 0
        uid = rig.uid()
        rig.schedules.delete(NIGHTLY)

        async def forgotten() -> bool:
            records = [await rig.admin(queue).schedules.look(uid) for queue in ("q", "r")]
            return not any(record.known for record in records)

        await until("both records are gone", forgotten)


async def test_a_redis_that_it_has_left_and_that_is_away_is_given_up(redis_url: str) -> None:
    rig = ScheduleRig(redis_url, replace(FAST, forget_for=0.5, retry_cap=0.2))
    rig.serve("lost", url="redis://127.0.0.1:1/0")
    rig.serve()
    await rig.publish()
    rig.apply(spec__workerQueue="lost")
    async with rig.running():
        await rig.is_reason("RedisUnavailable")
        rig.apply()
        await rig.has_jobs(2)
        rig.schedules.delete(NIGHTLY)

        async def forgotten() -> bool:
            return not await rig.admin().schedules.all()

        await until("the one that can be reached is forgotten", forgotten)
