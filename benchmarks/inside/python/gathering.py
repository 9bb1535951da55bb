"""Bulk enqueue for engines without a bulk call: many single ones under way at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable


async def gather_in_chunks(jobs: int, at_once: int, enqueue: Callable[[], Awaitable[object]]) -> None:
    """Call `enqueue` `jobs` times, `at_once` at the same time."""
    for start in range(0, jobs, at_once):
        await asyncio.gather(*(enqueue() for _ in range(min(at_once, jobs - start))))
