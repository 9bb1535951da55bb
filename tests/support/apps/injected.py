"""Handlers with injected resources: of the worker, of one job, nested, in a thread and in a child process."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Annotated

from headrace import Depends, Fleet
from support.apps.journal import note, recorded

fleet = Fleet()
jobs = fleet.queue("jobs")


class Pool:
    def __init__(self, size: int) -> None:
        self.size = size
        self.uses = 0


async def size() -> int:
    note("open", name="size")
    return 7


async def pool(size: Annotated[int, Depends(size)]) -> AsyncIterator[Pool]:
    if os.environ.get("BREAK_POOL"):
        raise OSError("no database there")
    note("open", name="pool")
    made = Pool(size)
    yield made
    note("close", name="pool", uses=made.uses)


@contextmanager
def transaction(pool: Pool = Depends(pool)) -> Iterator[list[str]]:
    pool.uses += 1
    lines: list[str] = []
    try:
        yield lines
    except BaseException as error:
        note("rollback", error=type(error).__name__)
        raise
    note("commit", lines=lines)


async def never() -> AsyncIterator[None]:
    note("open", name="never")
    yield


SharedPool = Annotated[Pool, Depends(pool)]


@fleet.on_start
async def started() -> None:
    note("open", name="on_start")


@fleet.on_shutdown
async def shut_down() -> None:
    note("close", name="on_shutdown")


@jobs.task(max_retries=0)
async def write(
    line: str, *, fail: bool = False, lines: Annotated[list[str], Depends(transaction, scope="job")]
) -> None:
    with recorded():
        lines.append(line)
        if fail:
            raise ValueError("as told")


@jobs.task()
def in_thread(line: str, pool: SharedPool) -> None:
    with recorded():
        note("thread", line=line, size=pool.size, pool=id(pool))


@jobs.task(process=True)
async def in_process(line: str, pool: SharedPool) -> None:
    with recorded():
        note("process", line=line, size=pool.size)


@jobs.task()
async def plain(line: str) -> None:
    with recorded():
        note("plain", line=line)


@fleet.queue("others").task()
async def elsewhere(nothing: Annotated[None, Depends(never)]) -> None: ...
