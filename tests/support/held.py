"""Holds an asynchronous context open across a fixture's yield, entered and left in one and the same task."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypeVar

Value = TypeVar("Value")


@asynccontextmanager
async def held(context: AbstractAsyncContextManager[Value]) -> AsyncIterator[Value]:
    """`async with held(context) as value: yield value` in a fixture, whose parts run in different tasks."""
    entered: asyncio.Future[Value] = asyncio.get_running_loop().create_future()
    leave = asyncio.Event()

    async def live() -> None:
        async with context as value:
            entered.set_result(value)
            await leave.wait()

    task = asyncio.create_task(live())
    try:
        await asyncio.wait((task, entered), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            await task
        yield entered.result()
    finally:
        leave.set()
        await task
