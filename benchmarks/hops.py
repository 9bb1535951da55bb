"""What the way of a single job is made of: round trips on an idle server, one after the other.

enqueue → start is, for a worker that waits: the enqueue's script, which lets through the exchange that stands in Redis.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from statistics import quantiles
from typing import Final

from benchmarks.depth import QUEUE, Driver, driver_on
from benchmarks.profile_record import Hop
from benchmarks.server import Server
from headrace.brokers.protocol import CALL_TIMEOUT
from headrace.brokers.redis import RedisBroker
from headrace.contract.keys import key
from headrace.wire.link import Link
from headrace.wire.target import parse_target
from headrace.worker.outbox import Batch

TIMES: Final = 300
PAUSE: Final = 0.002
"""Seconds between two: the processes go to sleep, as they do in front of a single job."""
NOTHING: Final = Batch()
"""To settle."""


async def hops(server: Server) -> list[Hop]:
    """The server is emptied first."""
    server.empty()
    blocked = Link(parse_target(server.url))
    async with driver_on(server) as driver:
        found = [
            await _timed("a PING and its answer", lambda: driver.link.request("PING")),
            await _timed("enqueue: script and answer", lambda: driver.enqueue(1)),
            await _timed("exchange: script and answer, one job claimed", lambda: driver.exchange(1)),
            await _timed("wake-up: a push, until a blocked connection has it", lambda: _wake(driver, blocked)),
            await _timed(
                "all of it: an enqueue, until a standing exchange has the job",
                lambda: _stand(driver, blocked),
                before=lambda: driver.drain(100),
            ),
        ]
    await blocked.close()
    return found


async def _timed(
    name: str, call: Callable[[], Awaitable[object]], before: Callable[[], Awaitable[object]] | None = None
) -> Hop:
    taken = []
    for _ in range(TIMES):
        if before is not None:
            await before()
        await asyncio.sleep(PAUSE)
        start = time.perf_counter()
        await call()
        taken.append((time.perf_counter() - start) * 1000)
    cuts = quantiles(taken, n=100, method="inclusive")
    return Hop(name, round(cuts[49], 3), round(cuts[98], 3))


async def _wake(driver: Driver, blocked: Link) -> None:
    """Both are sent at once: the server blocks the one and serves it with the other."""
    name = key(QUEUE, "bench-hop")
    async with asyncio.TaskGroup() as group:
        group.create_task(blocked.request("BLPOP", name, 1))
        group.create_task(driver.link.request("RPUSH", name, "1"))


async def _stand(driver: Driver, blocked: Link) -> None:
    """The same with the worker's own call; the session is registered as idle, for it has asked in vain."""
    claim = RedisBroker(blocked).exchange_when_woken
    words = (QUEUE, driver.session.sid, "1", driver.session.next_seq(), 1, "", "", NOTHING, 1, CALL_TIMEOUT)
    async with asyncio.TaskGroup() as group:
        group.create_task(claim(*words))
        group.create_task(driver.enqueue(1))
