"""A task: a handler, its settings, and the ways to enqueue it."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property, update_wrapper
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar

from headrace.client.arguments import Arguments
from headrace.client.batch import collecting
from headrace.client.codec import Codec, encode_arguments
from headrace.client.job import Job
from headrace.client.producer import Entry, new_id
from headrace.client.returns import Returns
from headrace.context import Context, running
from headrace.contract.envelope import Envelope, encode, header
from headrace.contract.protocol import Priority
from headrace.errors import ConfigError
from headrace.retry import RetryPolicy

if TYPE_CHECKING:
    from headrace.client.queue import Queue

P = ParamSpec("P")
R = TypeVar("R")

Handler = Callable[..., Any]
Next = Callable[[], Awaitable[Any]]
Middleware = Callable[[Context, Next], Awaitable[Any]]


@dataclass(frozen=True)
class TaskSettings:
    """How a task's jobs run unless the enqueue says otherwise."""

    retry: RetryPolicy
    timeout: float
    """Seconds for one run."""
    process: bool
    """Run in a child process: survives hard loops and C code, and can be killed."""
    result_ttl: float
    """Seconds for which a result is kept; 0 keeps none, and then a finished job is forgotten."""
    result_keep: int = 0
    """The newest so many results of the task are kept; 0: no bound but the time."""
    batch: int = 0
    """Most jobs whose payloads one call of the handler gets, as a list; 0: a call each."""
    batch_wait: float = 0.0
    """Seconds that the first of them waits for the others."""
    memory_limit: int = 0
    """Bytes that a run in a child process may use, the interpreter included; 0: no limit."""
    cpu_limit: float = 0.0
    """Seconds of CPU time that a run in a child process may use; 0: no limit."""


@dataclass(frozen=True)
class Options:
    """What one enqueue says beyond the arguments."""

    delay_ms: int = 0
    at_ms: int = 0
    priority: Priority = Priority.DEFAULT
    job_id: str | None = None
    correlation_id: str | None = None
    meta: Mapping[str, str] | None = None
    max_retries: int | None = None
    timeout: float | None = None
    wait_for_room: float | None = None


class Task(Generic[P, R]):
    """Made by `@queue.task`. Calling it runs the handler here and now, as a plain function."""

    def __init__(
        self,
        queue: Queue,
        name: str,
        handler: Callable[P, R],
        settings: TaskSettings,
        middleware: tuple[Middleware, ...] = (),
        *,
        codec: Codec,
        options: Options | None = None,
    ) -> None:
        self.queue = queue
        self.name = name
        self.handler = handler
        self.settings = settings
        self.middleware = middleware
        self._codec = codec
        self._options = options or Options()
        self._head = header(name)
        update_wrapper(self, handler)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.handler(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<Task {self.queue.name}/{self.name}>"

    @cached_property
    def arguments(self) -> Arguments:
        """What checks the arguments."""
        return Arguments(self.name, self.handler)

    @cached_property
    def returns(self) -> Returns:
        """What reads kept results."""
        return Returns(self.name, self.handler)

    def options(
        self,
        *,
        delay: float | timedelta | None = None,
        at: datetime | None = None,
        priority: Priority | str = Priority.DEFAULT,
        job_id: str | None = None,
        correlation_id: str | None = None,
        meta: Mapping[str, str] | None = None,
        max_retries: int | None = None,
        timeout: float | None = None,
        wait_for_room: float | None = None,
    ) -> Task[P, R]:
        """The same task with options for its next enqueues.

        delay: seconds (or a timedelta) from now, by the Redis clock. at: an aware datetime. job_id: enqueued only if
        no job had this id in the last 24 hours. wait_for_room: seconds that an enqueue waits while the queue is at its
        length limit (default the fleet's). Raises ConfigError.
        """
        if delay is not None and at is not None:
            raise ConfigError("options: give delay or at, not both")
        chosen = Options(
            delay_ms=_delay_ms(delay),
            at_ms=_at_ms(at),
            priority=_priority(priority),
            job_id=job_id,
            correlation_id=correlation_id,
            meta=meta,
            max_retries=max_retries,
            timeout=timeout,
            wait_for_room=wait_for_room,
        )
        return type(self)(
            self.queue,
            self.name,
            self.handler,
            self.settings,
            self.middleware,
            codec=self._codec,
            options=chosen,
        )

    async def enqueue(self, *args: P.args, **kwargs: P.kwargs) -> Job:
        """Put one job into the queue; inside a batch's block, when that ends.

        Raises PayloadError (arguments don't fit the annotations, can't be encoded, too large), QueueFullError (Redis
        or the queue is full: refused), QueueUnavailableError (no answer: see Producer.enqueue).
        """
        entry = self._entry(args, kwargs, self._options.job_id)
        batch = collecting.get()
        if batch is not None and batch.takes(self.queue):
            return batch.add(self, [entry])[0]
        taken = await self.queue.producer.enqueue([entry], wait_for_room=self._wait_for_room)
        return Job(entry.id, self.queue.name, entry.id not in taken, self.queue.link, self)

    def job(self, job_id: str) -> Job:
        """A handle on a job of this task by its id, whoever enqueued it; asks Redis nothing yet."""
        return Job(job_id, self.queue.name, False, self.queue.link, self)

    async def enqueue_many(
        self, calls: Iterable[Mapping[str, Any]], *, job_ids: Iterable[str] | None = None
    ) -> list[str]:
        """Put many jobs into the queue, one per mapping of keyword arguments, 1,000 a round trip.

        `job_ids` gives each job its id, in the same order. Returns the ids. All arguments are checked before the first
        job is sent. Raises what `enqueue` raises.
        """
        if self._options.job_id is not None:
            raise ConfigError("enqueue_many: give job_ids, one id can't serve many jobs")
        if job_ids is None:
            entries = [self._entry((), kwargs, None) for kwargs in calls]
        else:
            entries = [self._entry((), kwargs, job_id) for kwargs, job_id in zip(calls, job_ids, strict=True)]
        batch = collecting.get()
        if batch is not None and batch.takes(self.queue):
            batch.add(self, entries)
        else:
            await self.queue.producer.enqueue(entries, wait_for_room=self._wait_for_room)
        return [entry.id for entry in entries]

    @property
    def _wait_for_room(self) -> float:
        chosen = self._options.wait_for_room
        return self.queue.fleet.wait_for_room if chosen is None else chosen

    def _entry(self, args: tuple[Any, ...], kwargs: Mapping[str, Any], given: str | None) -> Entry:
        self.arguments.check(args, kwargs)
        options = self._options
        job_id = given or new_id()
        parent = running.get()
        envelope = Envelope(
            enqueued_ms=int(time.time() * 1000),
            payload=encode_arguments(self._codec, self.name, args, kwargs, self.queue.fleet.max_payload),
            codec=self._codec.name,
            correlation_id=options.correlation_id or (parent.correlation_id if parent else ""),
            meta=dict(options.meta) if options.meta else None,
            max_retries=options.max_retries,
            timeout=options.timeout,
        )
        return Entry(
            id=job_id,
            value=encode(self._head, envelope),
            at_ms=options.at_ms,
            delay_ms=options.delay_ms,
            priority=options.priority,
            given=given is not None,
        )


def _delay_ms(delay: float | timedelta | None) -> int:
    seconds = delay.total_seconds() if isinstance(delay, timedelta) else (delay or 0.0)
    if not 0 <= seconds < 100 * 365 * 24 * 3600:
        raise ConfigError(f"options: delay must be 0 to 100 years of seconds, got {seconds:g}")
    return round(seconds * 1000)


def _at_ms(at: datetime | None) -> int:
    if at is None:
        return 0
    if at.tzinfo is None:
        raise ConfigError("options: at must be an aware datetime (one with a time zone)")
    return max(0, round(at.timestamp() * 1000))


def _priority(value: Priority | str) -> Priority:
    try:
        return Priority(value)
    except ValueError:
        raise ConfigError(f"options: priority must be high, default or low, got {value!r}") from None
