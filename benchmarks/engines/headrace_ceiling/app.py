"""The ceiling of headrace's protocol: the same script calls in the same batches, with nobody running a job.

Two lanes, half the slots each, as in the worker; every claimed batch is settled by the lane's next exchange.
"""

from __future__ import annotations

import asyncio
import os
import secrets

import meter
import uvloop

from headrace.brokers.redis import RedisBroker
from headrace.contract.envelope import Envelope, encode, header
from headrace.contract.keys import prefix
from headrace.contract.protocol import CHUNK
from headrace.wire.link import Link
from headrace.wire.target import parse_target
from headrace.worker.session import Pulse, Session

QUEUE = "bench"
PREFIX = prefix(QUEUE)
SLOTS = int(os.environ["BENCH_CONCURRENCY"])
LANES = 2
LEASE = 150.0
"""Seconds; longer than a run, for nobody renews."""
REMEMBER_MS = 60_000

target = parse_target(os.environ["REDIS_URL"])
link = Link(target)


async def open_producer() -> None:
    await link.request("PING")


async def enqueue_bulk(jobs: int) -> None:
    value = encode(header("noop"), Envelope(0, b""))
    producer = secrets.token_hex(8)
    for seq, start in enumerate(range(0, jobs, CHUNK)):
        count = min(CHUNK, jobs - start)
        pairs = [part for number in range(count) for part in (f"{producer}-{start + number:x}", value)]
        await link.run("enqueue", PREFIX, producer, seq + 1, REMEMBER_MS, count, *pairs, b"")


async def close_producer() -> None:
    await link.close()


async def run_lane(name: str, session: Session) -> None:
    lane = Link(target)
    done: tuple[object, ...] = (0,)
    finished = False
    while not finished:
        seq = session.next_seq()
        head = (session.sid, name, seq, SLOTS // LANES, "", "", 0)
        reply = await lane.run("exchange", PREFIX, *head, *done, b"")  # type: ignore[arg-type]
        ids = reply[5]
        done = (1, f"{name}.{seq}", len(ids), *ids) if ids else (0,)
        finished = meter.ran_many(len(ids)) or not ids


async def main() -> None:
    session = Session(QUEUE, LEASE, Pulse("ceiling", "", SLOTS))
    await session.join(RedisBroker(link))
    async with asyncio.TaskGroup() as group:
        for number in range(LANES):
            group.create_task(run_lane(str(number), session))


if __name__ == "__main__":
    uvloop.install()
    asyncio.run(main())
