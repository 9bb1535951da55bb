"""An application for fleets in tests: its queue is named by FLEET_QUEUE, every run is written to the ledger."""

from __future__ import annotations

import asyncio
import os

import redis.asyncio

from code_index.ledger import Ledger
from headrace import Fleet

HEALED = "test:healed"
"""While this key exists at LEDGER_URL, `fragile` and `brittle` succeed."""

fleet = Fleet()
queue = fleet.queue(os.environ.get("FLEET_QUEUE", "fleet"))
client = redis.asyncio.Redis.from_url(os.environ.get("LEDGER_URL", "redis://127.0.0.1"), socket_timeout=10)


@queue.task(max_retries=1)
async def work(seconds: float) -> None:
    """Takes that long."""
    await asyncio.sleep(seconds)


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
