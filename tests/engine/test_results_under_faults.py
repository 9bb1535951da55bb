"""Results and batches where replies are lost, connections cut and workers killed: everybody gets theirs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from support.apps import batching
from support.lab import Lab
from support.polling import eventually
from support.servers import RedisServer
from support.wire_proxy import Faults, WireProxy

LONG = 90.0
JOBS = 200


@pytest.fixture
async def proxy(redis_server: RedisServer, lab: Lab) -> AsyncIterator[WireProxy]:
    async with WireProxy(redis_server.port) as running:
        yield running
        await lab.close()  # before what it is connected to


async def index_all(lab: Lab) -> list[int]:
    """Enqueue JOBS words and wait for what each of them gives."""
    async with batching.jobs.batch() as batch:
        for i in range(JOBS):
            await batching.index.enqueue(batching.Word("ab", i))
    return list(await asyncio.gather(*(job.result(LONG) for job in batch.jobs)))


async def test_every_fifth_reply_to_the_worker_is_lost(lab: Lab, proxy: WireProxy) -> None:
    lab.use(batching.fleet)
    proxy.faults = Faults(drop_reply_every=5)
    await lab.start("batching", url=proxy.url)
    assert await index_all(lab) == [2 * i for i in range(JOBS)]
    assert proxy.replies_lost > 0
    assert set(lab.ended().values()) == {1}, "asking again is not running again"
    await eventually(lab.idle)
    stats = await lab.stats()
    assert (stats.versions[""].completed, stats.stale, stats.crashed) == (JOBS, 0, 0)
    assert (await lab.admin().audit.run()).clean


async def test_who_waits_is_cut_off_again_and_again(lab: Lab, proxy: WireProxy) -> None:
    lab.use(batching.fleet)
    batching.fleet.connect_to(proxy.url)
    waiting = asyncio.create_task(index_all(lab))
    await lab.start("batching", WORKER_COUNT="10")
    cut = 0
    while not waiting.done():
        cut += proxy.cut_all()
        await asyncio.wait({waiting}, timeout=0.3)
    assert await waiting == [2 * i for i in range(JOBS)]
    assert cut > 0
    assert (await lab.stats()).enqueued == JOBS


async def test_three_workers_are_killed_in_mid_batch(lab: Lab) -> None:
    lab.use(batching.fleet)
    async with batching.jobs.batch() as batch:
        for _ in range(60):
            await batching.slow.enqueue(0.4)
    waiting = [asyncio.create_task(job.result(LONG)) for job in batch.jobs]
    for round_ in range(1, 4):
        victim = await lab.start("batching", LEASE="1s", WORKER_COUNT="10")
        seen = len(lab.notes("slow"))
        await eventually(lambda seen=seen: len(lab.notes("slow")) > seen)  # type: ignore[misc]
        victim.process.kill()
        victim.process.wait(10)
        assert (await lab.stats()).leased > 0, f"kill {round_} came between batches"
    await lab.start("batching", LEASE="1s", WORKER_COUNT="10")
    assert list(await asyncio.gather(*waiting)) == [None] * 60
    await eventually(lab.idle)
    starts = [line.job for line in lab.runs() if line.event == "start"]
    assert set(starts) == {job.id for job in batch.jobs}
    assert len(starts) - 60 <= 3 * 10, "no more runs again than jobs in hand at a kill"
    assert (await lab.stats()).dead == 0
    assert (await lab.admin().audit.run()).clean
