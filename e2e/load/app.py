"""The application of fleets on a real cluster: jobs of a given length, each run written to an outside ledger.

LOAD_MODE makes a version that goes wrong: `works`, `crashes` (it never starts), `fails` (every job raises) or `dies`
(its process is gone under its jobs). Producers import `load_fleet` for the same tasks.
"""

from __future__ import annotations

import asyncio
import os
import time

import redis.asyncio

from code_index.ledger import Ledger
from headrace import Fleet

QUEUE = "load"
MODE = os.environ.get("LOAD_MODE", "works")
GATE = "load:gate:"
"""With a gate's name behind it: a key that exists once the gate is open."""
CURE = "load:cure:"
"""With a cure's name behind it: a key that exists once jobs which wait for that cure succeed."""
DIE_AFTER = 0.5
"""Seconds from a job's start to the end of the process, in the mode `dies`."""


class BrokenVersionError(Exception):
    """What jobs of a version that fails raise."""


class NotCuredError(Exception):
    """What `sick` jobs raise, and die of, until their cure is there."""


def load_fleet(redis_url: str | None = None) -> Fleet:
    """A fleet whose queue QUEUE has the tasks `nap` (a coroutine), `grind` (in a thread), `hold` and `sick`."""
    fleet = Fleet(redis_url, enqueue_timeout=60)
    queue = fleet.queue(QUEUE)

    @queue.task(max_retries=3, retry_base=0.2, timeout=300)
    async def nap(seconds: float) -> None:
        """Takes that long."""
        await _go_wrong()
        await asyncio.sleep(seconds)

    @queue.task(max_retries=3, retry_base=0.2, timeout=300)
    def grind(seconds: float) -> None:
        """The same, and blocks a thread."""
        if MODE == "fails":
            raise BrokenVersionError(MODE)
        time.sleep(seconds)

    _beside_the_ledger(fleet)
    if ledger := Ledger.from_environment():
        fleet.middleware(ledger.record)
        fleet.on_shutdown(ledger.close)
    return fleet


def _beside_the_ledger(fleet: Fleet) -> None:
    """The tasks that look there: `hold` runs until its gate is opened, `sick` dies at once until there is its cure."""
    keys = redis.asyncio.Redis.from_url(os.environ.get("LEDGER_URL", "redis://127.0.0.1"), socket_timeout=10)

    @fleet.queue(QUEUE).task(max_retries=3, timeout=900)
    async def hold(gate: str) -> None:
        while not await keys.exists(f"{GATE}{gate}"):
            await asyncio.sleep(0.1)

    @fleet.queue(QUEUE).task(max_retries=0)
    async def sick(cure: str) -> None:
        if not await keys.exists(f"{CURE}{cure}"):
            raise NotCuredError(cure)

    fleet.on_shutdown(keys.aclose)


async def _go_wrong() -> None:
    if MODE == "fails":
        raise BrokenVersionError(MODE)
    if MODE == "dies":
        await asyncio.sleep(DIE_AFTER)
        # A container's first process is deaf to its own SIGKILL.
        os._exit(137)


if MODE == "crashes":
    raise BrokenVersionError("this version never starts")

fleet = load_fleet()
