"""A task: a handler, its settings, and the ways to enqueue it."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property, update_wrapper
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar

from headrace.client.arguments import Arguments
from headrace.client.codec import Codec, encode_arguments
from headrace.client.job import Job
from headrace.client.limits import Limit
from headrace.client.producer import Entry, Mark, Standing, new_id
from headrace.client.uniqueness import UNIQUE_MS, check_key, fingerprint
from headrace.context import Context, running
from headrace.contract.envelope import Envelope, encode, header
from headrace.contract.protocol import Priority
from headrace.errors import ConfigError, ConflictError
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
    unique: str = ""
    unique_ms: int = 0
    idempotent: bool = False
    """`job_id` is an idempotency key: with other arguments it is a conflict."""


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
        self.limit: Limit | None = None
        """What its jobs are held to, over all workers."""
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
        unique: str | None = None,
        ttl: float | timedelta | None = None,
        idempotency_key: str | None = None,
    ) -> Task[P, R]:
        """The same task with options for its next enqueues.

        delay: seconds (or a timedelta) from now, by the Redis clock. at: an aware datetime. job_id: enqueued only if
        no job had this id in the last 24 hours. idempotency_key: the same, and another enqueue with it must have the
        same arguments, or it raises ConflictError. unique: enqueued only if no job of this queue with this key waits
        or runs; for `ttl` seconds at most (default 24 hours), counted from its enqueue. Raises ConfigError.
        """
        if delay is not None and at is not None:
            raise ConfigError("options: give delay or at, not both")
        if job_id is not None and idempotency_key is not None:
            raise ConfigError("options: give job_id or idempotency_key, not both: the key becomes the job's id")
        if ttl is not None and unique is None:
            raise ConfigError("options: ttl says how long `unique` holds; give unique, too")
        chosen = Options(
            delay_ms=_delay_ms(delay),
            at_ms=_at_ms(at),
            priority=_priority(priority),
            job_id=job_id if idempotency_key is None else check_key("idempotency_key", idempotency_key),
            correlation_id=correlation_id,
            meta=meta,
            max_retries=max_retries,
            timeout=timeout,
            unique="" if unique is None else check_key("unique", unique),
            unique_ms=UNIQUE_MS if ttl is None else _ttl_ms(ttl),
            idempotent=idempotency_key is not None,
        )
        task = Task(
            self.queue,
            self.name,
            self.handler,
            self.settings,
            self.middleware,
            codec=self._codec,
            options=chosen,
        )
        task.limit = self.limit
        return task

    async def enqueue(self, *args: P.args, **kwargs: P.kwargs) -> Job:
        """Put one job into the queue, or find the one that its id or unique key belongs to.

        Raises ConflictError (the idempotency key belongs to a job with other arguments), PayloadError (arguments don't
        fit the annotations, can't be encoded, too large), QueueFullError (Redis is full: refused), ProtocolError (it
        has a key, and a worker is too old for keys), QueueUnavailableError (no answer: see Producer.enqueue).
        """
        entry = self._entry(args, kwargs, self._options.job_id)
        standing = (await self.queue.producer.enqueue([entry])).get(0)
        if standing is not None and standing.conflict:
            raise _conflict(self.name, standing)
        return Job(standing.id if standing else entry.id, self.queue.name, standing is None, self.queue.link)

    async def enqueue_many(
        self, calls: Iterable[Mapping[str, Any]], *, job_ids: Iterable[str] | None = None
    ) -> list[str]:
        """Put many jobs into the queue, one per mapping of keyword arguments, 1,000 a round trip.

        `job_ids` gives each job its id, in the same order. Returns the ids. All arguments are checked before the first
        job is sent. Raises what `enqueue` raises.
        """
        if self._options.job_id is not None:
            raise ConfigError("enqueue_many: give job_ids, one id can't serve many jobs")
        if self._options.unique:
            raise ConfigError("enqueue_many: one unique key can't serve many jobs; enqueue them one by one")
        if job_ids is None:
            entries = [self._entry((), kwargs, None) for kwargs in calls]
        else:
            entries = [self._entry((), kwargs, job_id) for kwargs, job_id in zip(calls, job_ids, strict=True)]
        await self.queue.producer.enqueue(entries)
        return [entry.id for entry in entries]

    def _entry(self, args: tuple[Any, ...], kwargs: Mapping[str, Any], given: str | None) -> Entry:
        checked = self.arguments.check(args, kwargs)
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
            mark=self._mark(*checked) if self.limit or options.unique or options.idempotent else None,
        )

    def _mark(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Mark:
        options, limit = self._options, self.limit
        named = self.arguments.by_name(args, kwargs)
        return Mark(
            limit_key=limit.key_of(named) if limit else "",
            rule=limit.name if limit else "",
            unique=options.unique,
            unique_ms=options.unique_ms,
            fingerprint=fingerprint(self.name, named) if options.idempotent else "",
        )


def _conflict(task: str, first: Standing) -> ConflictError:
    return ConflictError(
        f"task {task}: the idempotency key belongs to job {first.id!r}, which has other arguments; "
        "nothing was enqueued",
        first.id,
    )


def _ttl_ms(ttl: float | timedelta) -> int:
    seconds = ttl.total_seconds() if isinstance(ttl, timedelta) else ttl
    if not 0.001 <= seconds < 100 * 365 * 24 * 3600:
        raise ConfigError(f"options: ttl must be more than 0 and less than 100 years of seconds, got {seconds:g}")
    return round(seconds * 1000)


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
