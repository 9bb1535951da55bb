"""A named queue: where tasks are registered and their jobs are sent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar, Unpack, overload

from headrace.brokers.durability import Durability
from headrace.brokers.protocol import Broker
from headrace.choice import member_of
from headrace.client.batch import Batch
from headrace.client.batch_task import BatchTask
from headrace.client.codec import codec_named
from headrace.client.limits import Limit, LimitKey, Rule, task_rule
from headrace.client.periodic import DEADLINE, Periodic, make_periodic
from headrace.client.producer import Producer
from headrace.client.schedule import Every, Schedule
from headrace.client.task import Handler, Middleware, Task, TaskSettings
from headrace.client.task_options import (
    TaskOptions,
    batched,
    check_process_limits,
    check_retention,
)
from headrace.contract.keys import check_queue_name
from headrace.cron import Cron
from headrace.errors import ConfigError
from headrace.retry import Backoff, RetryPolicy

if TYPE_CHECKING:
    from headrace.client.fleet import Fleet
    from headrace.client.result_stream import OnFull, ResultStream

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

DEFAULT_TIMEOUT = 30.0


class Queue:
    """Made by `fleet.queue(name)`."""

    def __init__(self, fleet: Fleet, name: str, rate: Rule | None = None) -> None:
        self.fleet = fleet
        self.name = check_queue_name(name)
        self.rate = rate
        """How many of its jobs may start, over all workers; None: as many as can."""
        self.tasks: dict[str, Task[Any, Any]] = {}
        self.periodic: dict[str, Periodic] = {}
        self.middlewares: list[Middleware] = []
        self._producer: tuple[asyncio.AbstractEventLoop, Producer] | None = None
        self._assured: dict[Durability, tuple[asyncio.AbstractEventLoop, Producer]] = {}

    def __repr__(self) -> str:
        return f"<Queue {self.name}>"

    @property
    def broker(self) -> Broker:
        """The fleet's connection in this event loop."""
        return self.fleet.broker

    @property
    def producer(self) -> Producer:
        """The queue's producer in this event loop."""
        loop = asyncio.get_running_loop()
        if self._producer is None or self._producer[0] is not loop:
            self._producer = (loop, Producer(self.broker, self.name, timeout=self.fleet.enqueue_timeout))
        return self._producer[1]

    def producer_of(self, durability: Durability | None) -> Producer:
        """The producer of that level, None: the fleet's. What needs no assurance never waits behind what does."""
        level = durability or self.fleet.durability
        if level is Durability.ACCEPTED:
            return self.producer
        loop = asyncio.get_running_loop()
        if level not in self._assured or self._assured[level][0] is not loop:
            broker = self.fleet.assured_broker(level)
            self._assured[level] = (loop, Producer(broker, self.name, timeout=self.fleet.enqueue_timeout))
        return self._assured[level][1]

    async def close_producer(self) -> None:
        """Wait for what is still being sent."""
        for made in (self._producer, *self._assured.values()):
            if made is not None and made[0] is asyncio.get_running_loop():
                await made[1].close()
        self._producer = None
        self._assured.clear()

    @overload
    def task(
        self, name: str | None = None, *, batch: int, batch_wait: float = 0.05, **options: Unpack[TaskOptions]
    ) -> Callable[[Callable[Concatenate[list[T], ...], Any]], BatchTask[T]]: ...

    @overload
    def task(
        self, name: str | None = None, **options: Unpack[TaskOptions]
    ) -> Callable[[Callable[P, R]], Task[P, R]]: ...

    def task(
        self,
        name: str | None = None,
        *,
        batch: int | None = None,
        batch_wait: float = 0.05,
        max_retries: int | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        backoff: Backoff | str | Callable[[int], float] = Backoff.EXPONENTIAL,
        retry_base: float | None = None,
        retry_cap: float | None = None,
        retry_jitter: bool = True,
        retry_on: tuple[type[BaseException], ...] = (BaseException,),
        never_retry: tuple[type[BaseException], ...] = (),
        process: bool = False,
        memory_limit: int = 0,
        cpu_limit: float = 0.0,
        result_ttl: float = 0.0,
        result_keep: int = 0,
        codec: str | None = None,
        middleware: tuple[Middleware, ...] = (),
        limit_key: LimitKey | None = None,
        concurrency_limit: int | None = None,
        rate_limit: str | None = None,
        rate_burst: int | None = None,
    ) -> Callable[[Callable[..., Any]], Any]:
        """Register a handler: `async def` runs in the event loop, `def` in a thread, `process=True` in a child process.

        name: default the function's. max_retries: default the worker's MAX_RETRIES. timeout: seconds for one run.
        backoff: exponential, linear, fixed, or a function from failed attempts to seconds; retry_base and retry_cap are
        seconds. memory_limit: bytes, and cpu_limit: seconds of CPU time, that a run in a child process may use.
        result_ttl: seconds for which results are kept, at most the newest result_keep of them (0: all).

        batch: the handler gets a list, the payloads of up to so many jobs, of which the first has waited batch_wait
        seconds at most; it returns None, or one result or exception for each.

        concurrency_limit: at most so many of its jobs run at the same time, over all workers; rate_limit: at most so
        many start, e.g. "10/s" or "100/m", and rate_burst of them at once after a rest (default: a tenth of a second's,
        at least 1). limit_key makes both count per key: a text such as "customer:{customer_id}", or a function of
        some of the handler's parameters. Equal keys of one queue share. Raises ConfigError.
        """
        if timeout <= 0:
            raise ConfigError(f"timeout: must be more than 0 seconds, got {timeout:g}")
        policy = RetryPolicy(
            max_retries=max_retries,
            backoff=backoff if callable(backoff) else member_of(Backoff, backoff, "backoff:"),
            base=retry_base,
            cap=retry_cap,
            jitter=retry_jitter,
            retry_on=retry_on,
            never_retry=never_retry,
        )
        check_retention(result_ttl, result_keep)
        check_process_limits(process, memory_limit, cpu_limit)
        settings = TaskSettings(
            policy, timeout, process, result_ttl, result_keep, memory_limit=memory_limit, cpu_limit=cpu_limit
        )
        if batch is not None:
            settings = batched(settings, batch, batch_wait)
        rule = task_rule(limit_key, concurrency_limit, rate_limit, rate_burst)
        chosen = codec_named(codec or self.fleet.codec)

        def register(handler: Callable[..., Any]) -> Task[Any, Any]:
            kind = BatchTask if settings.batch else Task
            task: Task[Any, Any] = kind(self, name or _name_of(handler), handler, settings, middleware, codec=chosen)
            if rule is not None:
                task.limit = Limit(task.name, rule, task.arguments.names, limit_key)
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

    def batch(self) -> Batch:
        """`async with queue.batch():` sends what the block enqueues here together at its end; nothing if it raises."""
        return Batch(self.fleet, self)

    def results(
        self,
        *,
        task: Task[Any, Any] | str | None = None,
        own: bool = False,
        buffer: int = 1000,
        on_full: OnFull | str = "drop_oldest",
    ) -> ResultStream:
        """The jobs that end from now on, of tasks that keep results: use it by `async with`, then `async for`.

        task: only of this one. own: only those that this process has enqueued without ids of its own. buffer: most
        results that wait to be taken; on_full: drop_oldest, drop_newest or block. Raises ConfigError.
        """
        from headrace.client.result_stream import ResultStream

        name = task.name if isinstance(task, Task) else task
        return ResultStream(self, task=name, own=own, buffer=buffer, on_full=on_full)

    def middleware(self, function: Middleware) -> Middleware:
        """Decorator: wrap every run of this queue's tasks, inside the fleet's middleware."""
        self.middlewares.append(function)
        return function


def _name_of(handler: Handler) -> str:
    name = getattr(handler, "__name__", None)
    if not isinstance(name, str):
        raise ConfigError("the handler has no name; pass @queue.task(name=…)")
    return name
