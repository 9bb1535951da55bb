"""Waiting in tests: ask again until it is so, or fail at a deadline with what was last seen."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

T = TypeVar("T")


@overload
async def eventually(ask: Callable[[], Awaitable[T]], *, within: float = ..., every: float = ...) -> T: ...


@overload
async def eventually(ask: Callable[[], T], *, within: float = ..., every: float = ...) -> T: ...


async def eventually(ask: Callable[[], Any], *, within: float = 30.0, every: float = 0.02) -> Any:
    """The first true answer of `ask`, which may be a coroutine function. Fails after `within` seconds."""
    give_up = time.monotonic() + within
    while True:
        answer = ask()
        if inspect.isawaitable(answer):
            answer = await answer
        if answer:
            return answer
        assert time.monotonic() < give_up, f"not so within {within:g} s; the last answer was {answer!r}"
        await asyncio.sleep(every)
