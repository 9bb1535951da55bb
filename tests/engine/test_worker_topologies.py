"""E25: a worker's day on each way to run Redis: it is woken, retries, buries, renews, hears a cancellation, stops."""

from __future__ import annotations

import pytest

from headrace import State
from headrace.admin.handle import QueueHandle
from headrace.admin.published import Published
from support.apps import load
from support.lab import Lab
from support.polling import eventually

pytestmark = pytest.mark.everywhere

LEASE = 1.0
GOOD = 20


async def test_a_worker_s_day(lab: Lab) -> None:
    lab.use(load.fleet)
    worker = await lab.start("load", LEASE=f"{LEASE:g}s", WORKER_COUNT="10")
    ids = await load.in_loop.enqueue_many([{"kind": "good", "seconds": 0.01}] * GOOD)
    flaky = await load.in_thread.enqueue("flaky", 0.0)
    doomed = await load.in_loop.enqueue("doomed", 0.0)
    delayed = await load.in_loop.options(delay=0.3).enqueue("good", 0.0)
    long = await load.in_loop.enqueue("good", 3 * LEASE)
    unwanted = await load.in_loop.enqueue("good", 60)

    async def runs() -> bool:
        return await unwanted.state() is State.LEASED

    await eventually(runs)
    assert await unwanted.cancel()
    await eventually(lab.idle)
    assert set(lab.ended()) == {*ids, flaky.id, delayed.id, long.id}
    assert set(lab.ended().values()) == {1}
    assert set(await lab.dead()) == {doomed.id}
    assert "in_loop" in await Published(QueueHandle(lab.link, "jobs")).schemas()
    assert (await lab.admin().audit.run()).clean
    assert await worker.stop() == 0
    assert not worker.lines("the lease was lost; starting a new session")
    assert (await lab.stats()).workers == ()
