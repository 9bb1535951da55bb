"""An application for fleets in tests: its queue is named by FLEET_QUEUE, every run is written to the ledger."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import redis.asyncio

from code_index.ledger import Ledger
from headrace import Fleet, RetryLater

HEALED = "test:healed"
"""While this key exists at LEDGER_URL, `fragile` and `brittle` succeed."""
GATE = "test:gate:"
"""With a gate's name behind it: exists once that gate is open; with ":" and a worker behind that, once it is there."""
TRIES = "test:tries:"

WORKER = os.environ.get("HEADRACE_WORKER_ID", "")
BROKEN = os.environ.get("BROKEN", "")
"""What is wrong with this version: it can't be imported (start, or until:FILE, before there is that file), or its
`work` fails (jobs) or kills (worker)."""
if BROKEN == "start" or (BROKEN.startswith("until:") and not Path(BROKEN.removeprefix("until:")).exists()):
    raise RuntimeError("this version is broken")

fleet = Fleet()
queue = fleet.queue(os.environ.get("FLEET_QUEUE", "fleet"))
client = redis.asyncio.Redis.from_url(os.environ.get("LEDGER_URL", "redis://127.0.0.1"), socket_timeout=10)


@queue.task(max_retries=1)
async def work(seconds: float) -> None:
    """Takes that long, unless this version is broken."""
    if BROKEN == "jobs":
        raise RuntimeError("this version is broken")
    if BROKEN == "worker":
        os.kill(os.getpid(), signal.SIGKILL)
    await asyncio.sleep(seconds)


@queue.task(max_retries=1, timeout=600)
async def held(gate: str) -> None:
    """Runs until that gate is open, here or everywhere."""
    while not await client.exists(f"{GATE}{gate}", f"{GATE}{gate}:{WORKER}"):
        await asyncio.sleep(0.1)


@queue.task(max_retries=1)
async def second_time(name: str, wait: float) -> None:
    """Fails at first and asks to run again after `wait` seconds."""
    if await client.incr(f"{TRIES}{name}") == 1:
        raise RetryLater(wait)


@queue.task(max_retries=1, retry_base=0.01)
async def fragile(number: int) -> None:
    """Fails with ValueError until healed."""
    if not await client.exists(HEALED):
        raise ValueError(f"not healed: {number}")


@queue.task(max_retries=1, retry_base=0.01)
async def brittle(number: int) -> None:
    """Fails with KeyError until healed."""
    if not await client.exists(HEALED):
        raise KeyError(number)


@fleet.on_shutdown
async def hang_up() -> None:
    """Close the connections."""
    await client.aclose()


if ledger := Ledger.from_environment():
    fleet.middleware(ledger.record)
    fleet.on_shutdown(ledger.close)
