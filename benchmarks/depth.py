"""P6: what a job costs the server while ten thousand or a million others are queued, delayed or dead.

No worker: the script calls of one, so that the depth stays what it is and nothing but the server is measured.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import msgspec

from benchmarks.results import DepthCost
from benchmarks.scenarios import Aof
from benchmarks.server import Server
from headrace.brokers.redis import RedisBroker
from headrace.contract.envelope import DeathRecord, Envelope, encode, header, lua_string
from headrace.contract.keys import prefix
from headrace.contract.protocol import CHUNK
from headrace.wire.link import Link
from headrace.wire.target import parse_target
from headrace.worker.outcome import Buried, settlement
from headrace.worker.session import Pulse, Session

QUEUE = "depth"
STATES = ("queued", "delayed", "dead")
BATCH = 50
"""Jobs per call, as a worker with 100 slots sends them."""
ROUNDS = 200
"""Of BATCH jobs each, in one measurement."""
MEASUREMENTS = 5
BESIDE = 1_000
"""Jobs that are queued while others are delayed or dead."""
FAR = 10**10
"""ms; no delayed job comes due while it is counted."""
LEASE = 3600.0
REMEMBER_MS = 60_000


@dataclass
class Driver:
    """Enqueues, claims and settles on one queue, one call at a time."""

    link: Link
    session: Session
    producer: str = field(default_factory=lambda: secrets.token_hex(8))
    calls: int = 0
    enqueued: int = 0
    value: bytes = encode(header("noop"), Envelope(0, b""))

    async def enqueue(self, jobs: int, delay_ms: int = 0) -> None:
        """At most CHUNK jobs."""
        self.calls += 1
        ids = [f"{self.producer}-{number:x}" for number in range(self.enqueued, self.enqueued + jobs)]
        self.enqueued += jobs
        head = (prefix(QUEUE), self.producer, self.calls, REMEMBER_MS)
        if delay_ms:
            value = lua_string(self.value)
            special = msgspec.msgpack.encode([(job_id, value, 0, delay_ms, "default", False) for job_id in ids])
            await self.link.run("enqueue", *head, 0, special)
        else:
            await self.link.run("enqueue", *head, jobs, *(part for job in ids for part in (job, self.value)), b"")

    async def exchange(self, claim: int, done: tuple[Any, ...] = (0,), others: bytes = b"") -> tuple[str, list[bytes]]:
        """Returns the claim's name and its ids."""
        seq = self.session.next_seq()
        head = (self.session.sid, "0", seq, claim, "", "", 0)
        reply: Any = await self.link.run("exchange", prefix(QUEUE), *head, *done, others)
        return f"0.{seq}", reply[5]

    async def bury(self, jobs: int) -> None:
        """Enqueue, claim and bury."""
        await self.enqueue(jobs)
        claim, ids = await self.exchange(jobs)
        outcome = Buried("noop", "ValueError", DeathRecord("ValueError: no", 4, 0), 4, "same", "a traceback")
        await self.exchange(0, others=msgspec.msgpack.encode([settlement(i.decode(), claim, outcome) for i in ids]))

    async def work(self) -> None:
        """ROUNDS of BATCH: as many come in as go out."""
        claim, ids = await self.exchange(BATCH)
        for _ in range(ROUNDS):
            await self.enqueue(BATCH)
            claim, ids = await self.exchange(BATCH, (1, claim, len(ids), *ids))
        await self.enqueue(BATCH)
        await self.exchange(0, (1, claim, len(ids), *ids))

    async def drain(self, batch: int) -> None:
        """Claim and settle until nothing is left."""
        claim, ids = await self.exchange(batch)
        while ids:
            claim, ids = await self.exchange(batch, (1, claim, len(ids), *ids))


def costs(server: Server, depths: Sequence[int], say: Callable[[str], None]) -> list[DepthCost]:
    """One entry for each state and depth: the median of MEASUREMENTS."""
    found = []
    for state in STATES:
        for depth in depths:
            server.persist(Aof.OFF)
            server.empty()
            found.append(asyncio.run(_cost(server, state, depth)))
            say(f"headrace: {found[-1].redis_us:.1f} µs of Redis per job beside {depth:,} {state}")
    return found


async def _cost(server: Server, state: str, depth: int) -> DepthCost:
    async with driver_on(server) as driver:
        await _fill(driver, state, depth)
        await driver.work()
        spent = []
        for _ in range(MEASUREMENTS):
            before = server.cpu_seconds()
            await driver.work()
            spent.append((server.cpu_seconds() - before) / (ROUNDS * BATCH + BATCH) * 1e6)
    return DepthCost(state, depth, round(median(spent), 2))


@asynccontextmanager
async def driver_on(server: Server) -> AsyncIterator[Driver]:
    """A session of its own on the queue."""
    link = Link(parse_target(server.url))
    session = Session(QUEUE, LEASE, Pulse("depth", "", BATCH))
    await session.join(RedisBroker(link))
    try:
        yield Driver(link, session)
    finally:
        await link.close()


async def _fill(driver: Driver, state: str, depth: int) -> None:
    for start in range(0, depth, CHUNK):
        count = min(CHUNK, depth - start)
        if state == "dead":
            await driver.bury(count)
        else:
            await driver.enqueue(count, FAR if state == "delayed" else 0)
    if state != "queued":
        await driver.enqueue(BESIDE)
