"""Threads for plain `def` handlers.

Not the standard library's pool: a handler that outlives its timeout can't be stopped, so its thread is abandoned (and
counted) and must neither hold a place in the pool nor keep the process from ending.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable, Mapping, Sequence
from queue import SimpleQueue
from typing import Any

Work = Callable[[], None]


class Threads:
    """Grows as needed, reuses idle threads, all daemons. `abandoned` counts handlers nobody waits for any more."""

    def __init__(self) -> None:
        self._idle: list[SimpleQueue[Work | None]] = []
        self._lock = threading.Lock()
        self.abandoned = 0

    async def run(self, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Call it in a thread, in a copy of this task's context. When cancelled, the thread is abandoned."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        context = contextvars.copy_context()

        def work() -> None:
            try:
                result = context.run(function, *args, **kwargs)
            except (StopIteration, GeneratorExit) as error:  # a future can't carry them into a coroutine
                settle(_fail, RuntimeError(f"the handler raised {type(error).__name__}: {error}"))
            except BaseException as error:
                settle(_fail, error)
            else:
                settle(_succeed, result)

        def settle(how: Callable[[asyncio.Future[Any], Any], None], value: Any) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(how, future, value)

        self._hand_over(work)
        try:
            return await future
        except asyncio.CancelledError:
            if not future.done() or future.cancelled():
                self.abandoned += 1
            raise

    def _hand_over(self, work: Work) -> None:
        with self._lock:
            inbox = self._idle.pop() if self._idle else None
        if inbox is None:
            inbox = SimpleQueue()
            threading.Thread(target=self._serve, args=(inbox,), name="headrace-handler", daemon=True).start()
        inbox.put(work)

    def _serve(self, inbox: SimpleQueue[Work | None]) -> None:
        while (work := inbox.get()) is not None:
            work()
            with self._lock:
                self._idle.append(inbox)

    def stop(self) -> None:
        """Let the idle threads end."""
        with self._lock:
            idle, self._idle = self._idle, []
        for inbox in idle:
            inbox.put(None)


def _succeed(future: asyncio.Future[Any], result: Any) -> None:
    if not future.done():
        future.set_result(result)


def _fail(future: asyncio.Future[Any], error: BaseException) -> None:
    if not future.done():
        future.set_exception(error)
