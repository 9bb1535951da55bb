"""The fleet: the application's queues, hooks and middleware, and its connection to Redis."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

from headrace.client.batch import Batch
from headrace.client.codec import MAX_PAYLOAD, codec_named
from headrace.client.queue import Queue
from headrace.client.task import Middleware
from headrace.hooks import Hooks
from headrace.wire.link import Link
from headrace.wire.target import parse_target

if TYPE_CHECKING:
    from headrace.client.waiting import Waiter

DEFAULT_URL = "redis://localhost:6379/0"
F = TypeVar("F", bound=Callable[..., Awaitable[Any]])


class Fleet:
    """One per application. Connects on first use, and anew in each event loop."""

    def __init__(
        self,
        redis_url: str | None = None,
        *,
        codec: str = "msgpack",
        max_payload: int = MAX_PAYLOAD,
        enqueue_timeout: float = 10.0,
        wait_for_room: float = 0.0,
    ) -> None:
        """redis_url: default REDIS_URL. max_payload: bytes. enqueue_timeout: seconds an enqueue goes on trying.
        wait_for_room: seconds it waits while its queue is at its length limit; 0: it is refused at once.

        Raises ConfigError for an unknown codec; a wrong URL is reported on first use.
        """
        self.codec = codec_named(codec).name
        self.max_payload = max_payload
        self.enqueue_timeout = enqueue_timeout
        self.wait_for_room = wait_for_room
        self.queues: dict[str, Queue] = {}
        self.middlewares: list[Middleware] = []
        self.hooks = Hooks()
        self._redis_url = redis_url
        self._link: tuple[asyncio.AbstractEventLoop, Link] | None = None
        self._waiter: tuple[Link, Waiter] | None = None

    @property
    def redis_url(self) -> str:
        """The URL in force: the argument, else REDIS_URL, else localhost."""
        return self._redis_url or os.environ.get("REDIS_URL") or DEFAULT_URL

    def connect_to(self, redis_url: str) -> None:
        """Use this server from now on; a worker says so of the one it was started with."""
        self._redis_url = redis_url
        self._link = None

    @property
    def link(self) -> Link:
        """The connection of the running event loop. Raises ConfigError for a wrong URL."""
        loop = asyncio.get_running_loop()
        if self._link is None or self._link[0] is not loop:
            self._link = (loop, Link(parse_target(self.redis_url), name="headrace-producer"))
        return self._link[1]

    @property
    def waiter(self) -> Waiter:
        """What waits for results in this event loop."""
        link = self.link
        from headrace.client.waiting import Waiter

        if self._waiter is None or self._waiter[0] is not link:
            self._waiter = (link, Waiter(link))
        return self._waiter[1]

    def batch(self) -> Batch:
        """`async with fleet.batch():` sends what the block enqueues, to whichever queue, together at its end."""
        return Batch(self)

    def queue(self, name: str) -> Queue:
        """The queue of that name, made on first use. Raises ConfigError for a bad name."""
        if name not in self.queues:
            self.queues[name] = Queue(self, name)
        return self.queues[name]

    def middleware(self, function: Middleware) -> Middleware:
        """Decorator: `async def wrap(ctx, call_next)` around every run; the first registered is the outermost."""
        self.middlewares.append(function)
        return function

    def on_start(self, function: F) -> F:
        """Decorator: awaited before the worker claims its first job; an error ends the worker."""
        return self.hooks.add("on_start", function)

    def on_shutdown(self, function: F) -> F:
        """Decorator: awaited after the last job has been settled."""
        return self.hooks.add("on_shutdown", function)

    def on_job_start(self, function: F) -> F:
        """Decorator: `async def hook(ctx)` before each run."""
        return self.hooks.add("on_job_start", function)

    def on_job_complete(self, function: F) -> F:
        """Decorator: `async def hook(ctx)` after a run that succeeded."""
        return self.hooks.add("on_job_complete", function)

    def on_job_error(self, function: F) -> F:
        """Decorator: `async def hook(ctx, error)` after a run that failed."""
        return self.hooks.add("on_job_error", function)

    def on_retry(self, function: F) -> F:
        """Decorator: `async def hook(ctx, error, delay)` when a failed job will run again, `delay` seconds from now."""
        return self.hooks.add("on_retry", function)

    def on_dead(self, function: F) -> F:
        """Decorator: `async def hook(ctx, error, reason)` when a job becomes a dead letter."""
        return self.hooks.add("on_dead", function)

    async def close(self) -> None:
        """Send what is still waiting and close the connection."""
        for queue in self.queues.values():
            await queue.close_producer()
        if self._waiter is not None and self._link is not None and self._waiter[0] is self._link[1]:
            await self._waiter[1].close()
        self._waiter = None
        if self._link is not None and self._link[0] is asyncio.get_running_loop():
            await self._link[1].close()
        self._link = None

    async def __aenter__(self) -> Fleet:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
