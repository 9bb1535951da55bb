"""Gathers the runs of a batch task and calls its handler once for many: the innermost part of each run.

Around it every job keeps a run of its own, so that checks, hooks, middleware, retries, cancellation and settling are as
for any other job. A run that is cancelled waits for the shared call to end, which is cancelled once nobody wants it any
more: when a job is settled, no handler works on it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headrace.context import Context, running, running_batch

Call = Callable[[Context, Sequence[Any], Mapping[str, Any]], Awaitable[Any]]
"""As in plan.py."""


@dataclass(eq=False, slots=True)
class _Item:
    """One run that waits for its part of a call."""

    context: Context
    payload: Any
    done: asyncio.Future[Any]
    batch: _Batch | None = None


@dataclass(eq=False, slots=True)
class _Batch:
    """One call under way."""

    items: Sequence[_Item]
    call: asyncio.Task[None] | None = None


class Gatherer:
    """Of one task."""

    def __init__(self, call: Call, *, most: int, wait: float, timeout: float) -> None:
        """most: jobs in one call. wait: seconds that the first waits for others. timeout: seconds for one call."""
        self._handler = call
        self._most = most
        self._wait = wait
        self._timeout = timeout
        self._open: list[_Item] = []
        self._timer: asyncio.TimerHandle | None = None

    async def run(self, context: Context, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """One job's part of a call. Returns or raises what the handler said of it."""
        loop = asyncio.get_running_loop()
        item = _Item(context, args[0] if args else next(iter(kwargs.values())), loop.create_future())
        self._open.append(item)
        if len(self._open) >= self._most:
            self._close()
        elif self._timer is None:
            self._timer = loop.call_later(self._wait, self._close)
        try:
            return await item.done
        except asyncio.CancelledError:
            await self._withdraw(item)
            raise

    def _close(self) -> None:
        """What is gathered goes to the handler."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        items, self._open = self._open, []
        if items:
            batch = _Batch(items)
            for item in items:
                item.batch = batch
            batch.call = asyncio.get_running_loop().create_task(self._call(items), name="headrace-batch")

    async def _withdraw(self, item: _Item) -> None:
        if item.batch is None:
            self._open.remove(item)
            return
        call = item.batch.call
        if call is not None and not call.done():
            if all(other.done.cancelled() for other in item.batch.items):
                call.cancel()
            await asyncio.wait({call})

    async def _call(self, items: Sequence[_Item]) -> None:
        running.set(None)
        running_batch.set(tuple(item.context for item in items))
        answers: Sequence[Any]
        try:
            async with asyncio.timeout(self._timeout) as limit:
                payloads = [item.payload for item in items]
                answers = _one_each(await self._handler(items[0].context, (payloads,), {}), len(items))
        except BaseException as error:  # every job hears of it, and what it costs each is decided there
            if isinstance(error, TimeoutError) and limit.expired():
                error = TimeoutError("the handler ran longer than its timeout").with_traceback(error.__traceback__)
            answers = [error] * len(items)
        for item, answer in zip(items, answers, strict=True):
            if item.done.done():
                continue
            if isinstance(answer, BaseException):
                item.done.set_exception(_carried(answer))
            else:
                item.done.set_result(answer)


def _carried(error: BaseException) -> BaseException:
    """A future can't carry StopIteration."""
    return RuntimeError(f"the handler raised {type(error).__name__}") if isinstance(error, StopIteration) else error


def _one_each(returned: Any, count: int) -> Sequence[Any]:
    """None: all done. Raises TypeError for anything but one result or exception for each payload."""
    if returned is None:
        return [None] * count
    if not isinstance(returned, list | tuple):
        raise TypeError(f"a batch handler returns None or a list, not {type(returned).__name__}")
    if len(returned) != count:
        raise TypeError(f"the batch handler returned {len(returned)} results for {count} payloads")
    return returned
