"""The load and the workers that tests on clusters make up, against the real scripts."""

from __future__ import annotations

import random
from dataclasses import replace

import msgspec
import pytest
from e2e.load.app import QUEUE, load_fleet
from e2e.load.generator import Lengths, Load
from e2e.load.presence import Crowd, FakeWorker, RefusedPresenceError, crowd_of

from headrace.admin.queue_admin import QueueAdmin
from headrace.contract.protocol import PROTOCOL
from headrace.wire.link import Link
from support.presences import presence


async def test_the_same_seed_makes_the_same_load(redis_url: str, link: Link) -> None:
    async with load_fleet(redis_url) as fleet:
        first, second = (Load(fleet, random.Random(5), Lengths(0.1, 20)) for _ in range(2))
        drawn = [[load.lengths.draw(load.source) for _ in range(100)] for load in (first, second)]
        assert drawn[0] == drawn[1]
        assert 0.1 <= min(drawn[0]) < max(drawn[0]) <= 20
        await first.burst(30)
        await first.add(0, delay=60)
        stats = await QueueAdmin(link, QUEUE).stats()
        assert (stats.ready, stats.scheduled) == (30, 1)
        assert len(set(first.acknowledged)) == 31


async def test_a_crowd_looks_like_workers_until_it_leaves(link: Link) -> None:
    crowd, admin = Crowd(link, "q"), QueueAdmin(link, "q")
    names = [f"fake-{number}" for number in range(40)]
    workers = crowd_of(names, seed=3, version="v7")
    await crowd.join(workers)
    seen = await admin.workers()
    assert {one.worker for one in seen} == set(names)
    assert {one.version for one in seen} == {"v7"}
    assert len({one.started_ms for one in seen}) > 1
    busy = replace(workers[0], says=msgspec.structs.replace(workers[0].says, running=3, draining=True))
    await crowd.renew([busy])
    [draining] = [one for one in await admin.workers() if one.draining]
    assert (draining.worker, draining.running) == (names[0], 3)
    await crowd.leave(workers)
    assert await admin.workers() == ()


async def test_a_queue_may_refuse_a_worker_of_another_protocol(link: Link) -> None:
    await link.request("HSET", "hr:{q}:meta", "min_proto", PROTOCOL + 1)
    with pytest.raises(RefusedPresenceError, match="UPGRADE"):
        await Crowd(link, "q").join([FakeWorker(presence("old"))])
