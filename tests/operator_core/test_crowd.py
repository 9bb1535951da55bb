"""A scale-in of many workers of every age at once: exactly those without a job leave, and no job moves."""

from __future__ import annotations

import random

from e2e.load.presence import Crowd, crowd_of

from support.fleet_rig import Rig, until

COUNT, BUSY = 150, 40


async def test_out_of_a_crowd_the_idle_ones_leave(rig: Rig) -> None:
    key = rig.apply(replicas=COUNT)
    async with rig.running():
        await rig.has_workers(key, COUNT)
        crowd = crowd_of([worker.id for worker in await rig.runtime.workers(key)], seed=7, leases=(600, 3600))
        await Crowd(rig.link, "q").join(crowd)
        busy = {worker.says.worker: worker.session for worker in random.Random(7).sample(crowd, BUSY)}
        for name, session in busy.items():
            seeder = rig.seeder(sid=session)
            await seeder.enqueue(f"job-{name}")
            assert await seeder.exchange(1) == [f"job-{name}"]
        rig.apply(replicas=BUSY)
        await rig.has_workers(key, BUSY)
        assert {worker.id for worker in await rig.runtime.workers(key)} == busy.keys()

        async def only_the_busy_are_known() -> bool:
            found = await rig.admin().workers()
            return {one.sid for one in found} == set(busy.values()) and not any(one.cordoned for one in found)

        await until("sessions of those that went are given up, and the others get jobs", only_the_busy_are_known)
        found = await rig.admin().stats()
        assert [worker.leases for worker in found.workers] == [1] * BUSY
        assert (found.leased, found.released, found.crashed) == (BUSY, 0, 0)

        async def told() -> bool:
            return rig.live.queues[key].victims.total() > 0

        await until("who went is told", told)
        assert rig.live.queues[key].victims == {"idle": COUNT - BUSY, "drained": 0, "others": 0}
