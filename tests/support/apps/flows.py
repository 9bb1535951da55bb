"""Handlers for workflows."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from headrace import Bury, Fleet
from support.apps.journal import note, recorded

fleet = Fleet()
jobs = fleet.queue("jobs")


@jobs.task(result_ttl=60)
async def number(n: int) -> int:
    with recorded():
        return n


@jobs.task(result_ttl=60)
async def add(n: int, more: int = 1) -> int:
    with recorded():
        return n + more


@jobs.task(result_ttl=60)
def total(numbers: list[int]) -> int:
    """In a thread."""
    with recorded():
        return sum(numbers)


@jobs.task(result_ttl=60)
async def nested(numbers: list[int | list[int]]) -> list[int | list[int]]:
    with recorded():
        return numbers


@jobs.task()
async def finish(what: str = "") -> object:
    """Returns what nothing can encode: nobody may ask for it."""
    with recorded():
        note("finished", of=what)
        return object()


@jobs.task(max_retries=0)
async def needs(n: int, path: str) -> int:
    """Dies unless that file is there."""
    with recorded():
        if not Path(path).exists():
            raise Bury("missing")
        return n


@jobs.task(timeout=600)
async def hold(n: int, seconds: float) -> int:
    with recorded():
        await asyncio.sleep(seconds)
        return n


@jobs.task(process=True, timeout=60)
def in_child(n: int) -> int:
    note("child", parent=os.getppid())
    return n * 2


@jobs.task()
async def blob(size: int) -> bytes:
    with recorded():
        return b"x" * size


@jobs.task(result_ttl=60)
async def sizes(blobs: list[bytes]) -> list[int]:
    with recorded():
        return [len(one) for one in blobs]


@jobs.task()
async def wrong(n: int) -> str:
    with recorded():
        return "no number"
