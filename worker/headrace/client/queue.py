"""A named queue: where tasks are registered and their jobs are sent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from headrace.client.codec import codec_named
from headrace.client.durability import Assurance, Durability
from headrace.client.periodic import DEADLINE, Periodic, make_periodic
from headrace.client.producer import Producer
from headrace.client.schedule import Cron, Every, Schedule
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

    def __init__(self, fleet: Fleet, name: str) -> None:
        self.fleet = fleet
        self.name = check_queue_name(name)
        self.tasks: dict[str, Task[Any, Any]] = {}
        self.periodic: dict[str, Periodic] = {}
        self.middlewares: list[Middleware] = []
        self._producer: tuple[asyncio.AbstractEventLoop, Producer] | None = None
        self._assured: dict[Durability, tuple[asyncio.AbstractEventLoop, Producer]] = {}

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

    def producer_of(self, durability: Durability | None) -> Producer:
        """The producer of that level, None: the fleet's. What needs no assurance never waits behind what does."""
        level = durability or self.fleet.durability
        if level is Durability.ACCEPTED:
            return self.producer
        loop = asyncio.get_running_loop()
        if level not in self._assured or self._assured[level][0] is not loop:
            assurance = Assurance(level, self.fleet.replicas)
            link, timeout = self.fleet.assured_link, self.fleet.enqueue_timeout
            self._assured[level] = (loop, Producer(link, self.name, timeout=timeout, assurance=assurance))
        return self._assured[level][1]

    async def close_producer(self) -> None:
        """Wait for what is still being sent."""
        for made in (self._producer, *self._assured.values()):
            if made is not None and made[0] is asyncio.get_running_loop():
                await made[1].close()
        self._producer = None
        self._assured.clear()

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
    ) -> Callable[[Callable[P, R]], Task[P, R]]:
        """Register a handler: `async def` runs in the event loop, `def` in a thread, `process=True` in a child process.

        name: default the function's. max_retries: default the worker's MAX_RETRIES. timeout: seconds for one run.
        backoff: exponential, linear, fixed, or a function from failed attempts to seconds; retry_base and retry_cap are
        seconds. result_ttl: seconds for which the result is kept. Raises ConfigError.
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
        chosen = codec_named(codec or self.fleet.codec)

        def register(handler: Callable[P, R]) -> Task[P, R]:
            task = Task(self, name or _name_of(handler), handler, settings, middleware, codec=chosen)
            if task.name in self.tasks:
                raise ConfigError(f"queue {self.name}: two tasks are named {task.name!r}; pass @queue.task(name=…)")
            self.tasks[task.name] = task
            return task

        return register

    def cron(
        self, expression: str, *, tz: str = "UTC", deadline: float = DEADLINE
    ) -> Callable[[Callable[P, R] | Task[P, R]], Task[P, R]]:
        """Run a task by a cron expression, above `@queue.task(…)` or alone.

        expression: five fields, six with seconds in front, or @hourly, @daily, @weekly, @monthly, @yearly. tz: an IANA
        time zone. deadline: seconds after which a tick that no worker was there for is dropped. Raises ConfigError.
        """
        return self._periodic(Cron(expression, tz), deadline)

    def every(
        self, seconds: float, *, deadline: float = DEADLINE
    ) -> Callable[[Callable[P, R] | Task[P, R]], Task[P, R]]:
        """Run a task at every multiple of `seconds` (at least 1) since 1970 in UTC, above `@queue.task(…)` or alone.

        deadline: as for `cron`. Raises ConfigError.
        """
        return self._periodic(Every(seconds), deadline)

    def _periodic(self, schedule: Schedule, deadline: float) -> Callable[[Callable[P, R] | Task[P, R]], Task[P, R]]:
        def register(handler: Callable[P, R] | Task[P, R]) -> Task[P, R]:
            task: Task[P, R] = handler if isinstance(handler, Task) else self.task()(handler)
            if task.queue is not self or task.name in self.periodic:
                raise ConfigError(
                    f"queue {self.name}: task {task.name!r} is of another queue or has a schedule already"
                )
            self.periodic[task.name] = make_periodic(task, schedule, deadline)
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
