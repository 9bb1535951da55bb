"""Three queues whose tasks say which of them they are."""

from __future__ import annotations

import asyncio

from headrace import Fleet
from support.apps.journal import note, recorded

fleet = Fleet()
a = fleet.queue("a")
b = fleet.queue("b")
empty = fleet.queue("empty")


@a.task(name="work")
async def on_a(mark: str, seconds: float) -> None:
    with recorded():
        note("work", queue="a", mark=mark)
        await asyncio.sleep(seconds)


@b.task(name="work")
async def on_b(mark: str, seconds: float) -> None:
    with recorded():
        note("work", queue="b", mark=mark)
        await asyncio.sleep(seconds)
