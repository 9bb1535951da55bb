"""A named queue: where tasks are registered and their jobs are sent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from headrace.client.codec import codec_named
from headrace.client.limits import Limit, Rule, task_rule
from headrace.client.producer import Producer
from headrace.client.task import Handler, Middleware, Task, TaskSettings
from headrace.contract.keys import check_queue_name
from headrace.errors import ConfigError
from headrace.retry import Backoff, RetryPolicy
from headrace.wire.link import Link

if TYPE_CHECKING:
    from headrace.client.fleet import Fleet

P = ParamSpec("P")
R = TypeVar("R")

DEFAULT_TIMEOUT = 30.0


class Queue:
    """Made by `fleet.queue(name)`."""

    def __init__(self, fleet: Fleet, name: str, rate: Rule | None = None) -> None:
        self.fleet = fleet
        self.name = check_queue_name(name)
        self.rate = rate
        """How many of its jobs may start, over all workers; None: as many as can."""
        self.tasks: dict[str, Task[Any, Any]] = {}
        self.middlewares: list[Middleware] = []
        self._producer: tuple[asyncio.AbstractEventLoop, Producer] | None = None

    def __repr__(self) -> str:
        return f"<Queue {self.name}>"

    @property
    def link(self) -> Link:
        """The fleet's connection in this event loop."""
        return self.fleet.link

    @property
    def producer(self) -> Producer:
        """The queue's producer in this event loop."""
        loop = asyncio.get_running_loop()
        if self._producer is None or self._producer[0] is not loop:
            self._producer = (loop, Producer(self.link, self.name, timeout=self.fleet.enqueue_timeout))
        return self._producer[1]

    async def close_producer(self) -> None:
        """Wait for what is still being sent."""
        if self._producer is not None and self._producer[0] is asyncio.get_running_loop():
            await self._producer[1].close()
        self._producer = None

    def task(
        self,
        name: str | None = None,
        *,
        max_retries: int | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        backoff: Backoff | str | Callable[[int], float] = Backoff.EXPONENTIAL,
        retry_base: float | None = None,
        retry_cap: float | None = None,
        retry_jitter: bool = True,
        retry_on: tuple[type[BaseException], ...] = (BaseException,),
        never_retry: tuple[type[BaseException], ...] = (),
        process: bool = False,
        result_ttl: float = 0.0,
        codec: str | None = None,
        middleware: tuple[Middleware, ...] = (),
        limit_key: str | Callable[..., str] | None = None,
        concurrency_limit: int | None = None,
        rate_limit: str | None = None,
        rate_burst: int | None = None,
    ) -> Callable[[Callable[P, R]], Task[P, R]]:
        """Register a handler: `async def` runs in the event loop, `def` in a thread, `process=True` in a child process.

        name: default the function's. max_retries: default the worker's MAX_RETRIES. timeout: seconds for one run.
        backoff: exponential, linear, fixed, or a function from failed attempts to seconds; retry_base and retry_cap are
        seconds. result_ttl: seconds for which the result is kept.

        concurrency_limit: at most so many of its jobs run at the same time, over all workers; rate_limit: at most so
        many start, e.g. "10/s" or "100/m", and rate_burst of them at once after a rest (default: a tenth of a second's,
        at least 1). limit_key makes both count per key: a text such as "customer:{customer_id}", or a function of
        some of the handler's parameters. Equal keys of one queue share. Raises ConfigError.
        """
        if timeout <= 0:
            raise ConfigError(f"timeout: must be more than 0 seconds, got {timeout:g}")
        policy = RetryPolicy(
            max_retries=max_retries,
            backoff=backoff if callable(backoff) else _backoff(backoff),
            base=retry_base,
            cap=retry_cap,
            jitter=retry_jitter,
            retry_on=retry_on,
            never_retry=never_retry,
        )
        settings = TaskSettings(retry=policy, timeout=timeout, process=process, result_ttl=result_ttl)
        rule = task_rule(limit_key, concurrency_limit, rate_limit, rate_burst)
        chosen = codec_named(codec or self.fleet.codec)

        def register(handler: Callable[P, R]) -> Task[P, R]:
            task = Task(self, name or _name_of(handler), handler, settings, middleware, codec=chosen)
            if rule is not None:
                task.limit = Limit(task.name, rule, task.arguments.names, limit_key)
            if task.name in self.tasks:
                raise ConfigError(f"queue {self.name}: two tasks are named {task.name!r}; pass @queue.task(name=…)")
            self.tasks[task.name] = task
            return task

        return register

    def middleware(self, function: Middleware) -> Middleware:
        """Decorator: wrap every run of this queue's tasks, inside the fleet's middleware."""
        self.middlewares.append(function)
        return function


def _backoff(value: Backoff | str) -> Backoff:
    try:
        return Backoff(value)
    except ValueError:
        raise ConfigError(f"backoff: must be exponential, linear or fixed, got {value!r}") from None


def _name_of(handler: Handler) -> str:
    name = getattr(handler, "__name__", None)
    if not isinstance(name, str):
        raise ConfigError("the handler has no name; pass @queue.task(name=…)")
    return name
