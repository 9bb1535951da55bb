"""The fleet: the application's queues, hooks and middleware, and its connection to Redis."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from headrace.brokers.capabilities import Feature
from headrace.brokers.durability import Durability, check_replicas
from headrace.brokers.protocol import Broker, Source
from headrace.brokers.sources import source_of
from headrace.choice import member_of
from headrace.client.batch import Batch
from headrace.client.codec import MAX_PAYLOAD, codec_named
from headrace.client.depends import Provider
from headrace.client.limits import queue_rate
from headrace.client.queue import Queue
from headrace.client.spans import Tracing
from headrace.client.task import Middleware
from headrace.errors import ConfigError
from headrace.hooks import Hooks

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
        durability: Durability | str = Durability.ACCEPTED,
        replicas: int = 1,
        wait_for_room: float = 0.0,
    ) -> None:
        """redis_url: default REDIS_URL. max_payload: bytes. enqueue_timeout: seconds an enqueue goes on trying.
        durability: what each enqueue waits for unless its options say otherwise. replicas: how many must have a job
        whose durability is `replicated`. wait_for_room: seconds an enqueue waits while its queue is at its length
        limit; 0: it is refused at once.

        Raises ConfigError for an unknown codec or durability; a wrong URL is reported on first use.
        """
        self.codec = codec_named(codec).name
        self.max_payload = max_payload
        self.enqueue_timeout = enqueue_timeout
        self.durability = member_of(Durability, durability, "Fleet: durability")
        self.replicas = check_replicas(replicas)
        self.wait_for_room = wait_for_room
        self.queues: dict[str, Queue] = {}
        self.middlewares: list[Middleware] = []
        self.hooks = Hooks()
        self.tracing: Tracing | None = None
        self.overrides: dict[Provider, Provider] = {}
        self._redis_url = redis_url
        self._source: Source | None = None
        self._broker: tuple[asyncio.AbstractEventLoop, Broker] | None = None
        self._assured: tuple[asyncio.AbstractEventLoop, Broker] | None = None
        self._waiter: tuple[Broker, Waiter] | None = None

    @property
    def redis_url(self) -> str:
        """The URL in force: the argument, else REDIS_URL, else localhost."""
        return self._redis_url or os.environ.get("REDIS_URL") or DEFAULT_URL

    def connect_to(self, where: str | Source | None) -> None:
        """Use this server, by its URL, or this broker from now on; None: no longer that broker, but the URL in force.
        A worker says so of the one it was started with."""
        if isinstance(where, str):
            self._redis_url, self._source = where, None
        else:
            self._source = where
        self._broker = self._assured = None

    @property
    def source(self) -> Source:
        """What the URL in force names. Raises ConfigError for a wrong one."""
        if self._source is None:
            self._source = source_of(self.redis_url)
        return self._source

    @property
    def broker(self) -> Broker:
        """The connection of the running event loop. Raises ConfigError for a wrong URL."""
        loop = asyncio.get_running_loop()
        if self._broker is None or self._broker[0] is not loop:
            self._broker = (loop, self.source.open("headrace-producer"))
        return self._broker[1]

    def assured_broker(self, level: Durability) -> Broker:
        """A connection of the running event loop that may wait: for replicas, or a disk. Raises ConfigError."""
        self.source.capabilities.require(Feature.DURABILITY, f"durability {level.value!r}")
        loop = asyncio.get_running_loop()
        if self._assured is None or self._assured[0] is not loop:
            self._assured = (loop, self.source.open("headrace-assured"))
        return self._assured[1].assured(level, self.replicas)

    @property
    def waiter(self) -> Waiter:
        """What waits for results in this event loop."""
        broker = self.broker
        from headrace.client.waiting import Waiter

        if self._waiter is None or self._waiter[0] is not broker:
            self._waiter = (broker, Waiter(broker))
        return self._waiter[1]

    def batch(self) -> Batch:
        """`async with fleet.batch():` sends what the block enqueues, to whichever queue, together at its end."""
        return Batch(self)

    def queue(self, name: str, *, rate_limit: str | None = None, rate_burst: int | None = None) -> Queue:
        """The queue of that name, made on first use.

        rate_limit: at most so many of its jobs start, over all workers, e.g. "50/s" or "1000/h"; rate_burst: so many at
        once after a rest (default: a tenth of a second's, at least 1). Raises ConfigError for a bad name or rate.
        """
        rate = queue_rate(rate_limit, rate_burst)
        if name not in self.queues:
            self.queues[name] = Queue(self, name, rate)
        elif rate is not None and rate != self.queues[name].rate:
            raise ConfigError(f"queue {name}: it was made with another rate_limit; name it where it is made first")
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

    @contextmanager
    def override(self, provider: Provider, stand_in: Provider) -> Iterator[None]:
        """For tests: what depends on `provider` gets the value of `stand_in`, a provider too, such as `lambda: fake`.

        Holds for workers that start inside the `with` block.
        """
        before = dict(self.overrides)
        self.overrides[provider] = stand_in
        try:
            yield
        finally:
            self.overrides.clear()
            self.overrides.update(before)

    async def close(self) -> None:
        """Send what is still waiting and close the connection."""
        for queue in self.queues.values():
            await queue.close_producer()
        for made in (self._broker, self._assured):
            if made is not None and made[0] is asyncio.get_running_loop():
                if self._waiter is not None and self._waiter[0] is made[1]:
                    await self._waiter[1].close()
                await made[1].close()
        self._broker = self._assured = self._waiter = None

    async def __aenter__(self) -> Fleet:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
