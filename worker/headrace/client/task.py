"""A task: a handler, its settings, and the ways to enqueue it."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property, update_wrapper
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar, overload

from msgspec.structs import replace

from headrace.brokers.durability import Durability
from headrace.client.arguments import Arguments
from headrace.client.batch import Batch, collecting
from headrace.client.codec import Codec, encode_arguments
from headrace.client.depends import Need, handler_needs
from headrace.client.job import Job
from headrace.client.limits import Limit
from headrace.client.options import Options, changed
from headrace.client.producer import Producer, new_id
from headrace.client.returns import Returns
from headrace.client.schedule import tick_id
from headrace.client.steps import Signature
from headrace.client.uniqueness import check_key, conflict, fingerprint
from headrace.context import TICK, Context, running
from headrace.contract.entry import Entry, Mark, Place
from headrace.contract.envelope import Envelope, encode, header, in_workflow
from headrace.contract.protocol import Priority
from headrace.errors import ConfigError
from headrace.retry import RetryPolicy

if TYPE_CHECKING:
    from headrace.client.queue import Queue

P = ParamSpec("P")
R = TypeVar("R")
Q = ParamSpec("Q")
V = TypeVar("V")

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
        like: Task[P, R] | None = None,
    ) -> None:
        self.queue = queue
        self.name = name
        self.handler = handler
        self.settings = settings
        self.middleware = middleware
        self._codec = codec
        self._options = options or Options()
        self.limit: Limit | None = None if like is None else like.limit
        """What its jobs are held to, over all workers."""
        self._head = header(name)
        self._like = like
        self.needs: Mapping[str, Need] = handler_needs(name, handler) if like is None else like.needs
        """Parameter → what the worker injects there."""
        update_wrapper(self, handler)
        if codec.name == "protobuf":
            _ = self.arguments  # a handler without a message is refused here

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.handler(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<Task {self.queue.name}/{self.name}>"

    @cached_property
    def arguments(self) -> Arguments:
        """What checks the arguments; compiled once, whatever options are chosen."""
        if self._like is not None:
            return self._like.arguments
        if self._codec.name == "protobuf":
            from headrace.client.messages import MessageArguments

            return MessageArguments(self.name, self.handler, self.needs)
        return Arguments(self.name, self.handler, self.needs)

    @cached_property
    def returns(self) -> Returns:
        """What reads kept results."""
        if self._like is not None:
            return self._like.returns
        return Returns(self.name, self.handler)

    def options(
        self,
        *,
        delay: float | timedelta | None = None,
        at: datetime | None = None,
        priority: Priority | str | None = None,
        job_id: str | None = None,
        correlation_id: str | None = None,
        meta: Mapping[str, str] | None = None,
        max_retries: int | None = None,
        timeout: float | None = None,
        durability: Durability | str | None = None,
        wait_for_room: float | None = None,
        unique: str | None = None,
        ttl: float | timedelta | None = None,
        idempotency_key: str | None = None,
    ) -> Task[P, R]:
        """The same task with options for its next enqueues, beside those that it has already.

        delay: seconds (or a timedelta) from now, by the Redis clock. at: an aware datetime. job_id: enqueued only if
        no job had this id in the last 24 hours. idempotency_key: the same, and another enqueue with it must have the
        same arguments, or it raises ConflictError. unique: enqueued only if no job of this queue with this key waits
        or runs; for `ttl` seconds at most (default 24 hours), counted from its enqueue. durability: what enqueue waits
        for (default: the fleet's). wait_for_room: seconds that an enqueue waits while the queue is at its length limit
        (default: the fleet's). Raises ConfigError.
        """
        if timeout is not None and self.settings.batch:
            raise ConfigError("options: jobs of one batch share its task's timeout; give it to @queue.task")
        chosen = changed(
            self._options,
            delay=delay,
            at=at,
            priority=priority,
            job_id=job_id,
            correlation_id=correlation_id,
            meta=meta,
            max_retries=max_retries,
            timeout=timeout,
            durability=durability,
            wait_for_room=wait_for_room,
            unique=unique,
            ttl=ttl,
            idempotency_key=idempotency_key,
        )
        return type(self)(
            self.queue,
            self.name,
            self.handler,
            self.settings,
            self.middleware,
            codec=self._codec,
            options=chosen,
            like=self,
        )

    async def enqueue(self, *args: P.args, **kwargs: P.kwargs) -> Job:
        """Put one job into the queue, or find the one that its id or unique key names; inside a batch's block, when
        that ends.

        Raises ConflictError (the idempotency key belongs to a job with other arguments), PayloadError (arguments don't
        fit the annotations, can't be encoded, too large), QueueFullError (Redis or the queue is full: refused),
        ProtocolError (it has a key, and a worker is too old for keys), QueueUnavailableError (no answer: see
        Producer.enqueue), NotDurableError (in the queue, but not as durable as was asked for).
        """
        if (tracing := self.queue.fleet.tracing) is None:
            return await self._send_one(self._entry(args, kwargs, self._options.job_id))
        with tracing.sending(self.queue.name, self.name) as sent:
            entry = self._entry(args, kwargs, self._options.job_id, sent.carrier)
            sent.jobs([entry.id])
            return await self._send_one(entry)

    async def _send_one(self, entry: Entry) -> Job:
        if (batch := self._batch) is not None:
            return batch.add(self, [entry], self._options.durability, self._wait_for_room)[0]
        first = (await self._producer.enqueue([entry], wait_for_room=self._wait_for_room)).get(0)
        if first is not None and first.conflict:
            raise conflict(self.name, first.id)
        return Job(first.id if first else entry.id, self.queue.name, first is None, self.queue.broker, self)

    def entry(self, *args: P.args, **kwargs: P.kwargs) -> Entry:
        """The job that `enqueue` would send; sends nothing. Raises PayloadError."""
        return self._entry(args, kwargs, self._options.job_id)

    @overload
    def s(self: Task[P, Coroutine[Any, Any, V]], *args: P.args, **kwargs: P.kwargs) -> Signature[V]: ...

    @overload
    def s(
        self: Task[Concatenate[Any, Q], Coroutine[Any, Any, V]], *args: Q.args, **kwargs: Q.kwargs
    ) -> Signature[V]: ...

    @overload
    def s(self, *args: P.args, **kwargs: P.kwargs) -> Signature[R]: ...

    @overload
    def s(self: Task[Concatenate[Any, Q], R], *args: Q.args, **kwargs: Q.kwargs) -> Signature[R]: ...

    def s(self, *args: Any, **kwargs: Any) -> Signature[Any]:
        """A step of a workflow: this task with these arguments. After another step it gets that one's result as its
        first argument, before these. Raises ConfigError for options that a step can't have.
        """
        return Signature(self, args, kwargs)

    @overload
    def si(self: Task[P, Coroutine[Any, Any, V]], *args: P.args, **kwargs: P.kwargs) -> Signature[V]: ...

    @overload
    def si(self, *args: P.args, **kwargs: P.kwargs) -> Signature[R]: ...

    def si(self, *args: Any, **kwargs: Any) -> Signature[Any]:
        """The same without the result of the step before it: just these arguments."""
        return Signature(self, args, kwargs, takes_result=False)

    def job(self, job_id: str) -> Job:
        """A handle on a job of this task by its id, whoever enqueued it; asks Redis nothing yet."""
        return Job(job_id, self.queue.name, False, self.queue.broker, self)

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
        if (tracing := self.queue.fleet.tracing) is None:
            entries = self._entries(calls, job_ids, None)
            await self._send_many(entries)
        else:
            with tracing.sending(self.queue.name, self.name) as sent:
                entries = self._entries(calls, job_ids, sent.carrier)
                sent.jobs([entry.id for entry in entries])
                await self._send_many(entries)
        return [entry.id for entry in entries]

    async def _send_many(self, entries: list[Entry]) -> None:
        if (batch := self._batch) is not None:
            batch.add(self, entries, self._options.durability, self._wait_for_room)
        else:
            await self._producer.enqueue(entries, wait_for_room=self._wait_for_room)

    @property
    def _producer(self) -> Producer:
        return self.queue.producer_of(self._options.durability)

    @property
    def _batch(self) -> Batch | None:
        """The batch whose block this enqueue stands in."""
        batch = collecting.get()
        return batch if batch is not None and batch.takes(self.queue) else None

    @property
    def _wait_for_room(self) -> float:
        chosen = self._options.wait_for_room
        return self.queue.fleet.wait_for_room if chosen is None else chosen

    def _entries(
        self, calls: Iterable[Mapping[str, Any]], job_ids: Iterable[str] | None, carrier: Mapping[str, str] | None
    ) -> list[Entry]:
        if job_ids is None:
            return [self._entry((), kwargs, None, carrier) for kwargs in calls]
        return [
            self._entry((), kwargs, check_key("job_ids: each", job_id), carrier)
            for kwargs, job_id in zip(calls, job_ids, strict=True)
        ]

    def tick(self, tick_ms: int) -> Entry:
        """The job of one tick of a periodic task: its id follows from the task and the tick alone."""
        planned = self.options(meta={TICK: str(tick_ms)})
        return replace(planned._entry((), {}, tick_id(self.name, tick_ms)), at_ms=tick_ms)

    @property
    def chosen(self) -> Options:
        """What `options` was told."""
        return self._options

    def check_step(self) -> None:
        """That it can be a step of a workflow. Raises ConfigError."""
        if self._options.job_id is not None or self._options.unique:
            raise ConfigError(
                f"task {self.name}: a step of a workflow can't have a job_id, an idempotency_key or a unique key"
            )

    def check_following(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """That it can be called with a result and these. The arguments by name. Raises ConfigError."""
        taking, named = self.arguments.check_following(args, kwargs)
        if self.limit is not None and self.limit.needs(taking):
            raise ConfigError(
                f"task {self.name}: its limit_key needs {taking!r}, which is known only when the step before is done; "
                "use .si(), or a key without it"
            )
        return named

    def step_entry(
        self,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        *,
        job_id: str,
        place: Place,
        takes: bool,
        wanted: bool,
        correlation_id: str,
        carrier: Mapping[str, str] | None,
    ) -> Entry:
        """The job of one step. takes: its first argument is yet to come; wanted: others get its result. Raises
        PayloadError or ConfigError.
        """
        if takes:
            named = self.check_following(args, kwargs)
        else:
            checked = self.arguments.check(args, kwargs)
            named = self.arguments.by_name(*checked) if self.limit else {}
        entry = self._unmarked(args, kwargs, job_id, carrier, correlation_id)
        value = in_workflow(entry.value, feeds=bool(place.feeds), wanted=wanted, takes=takes)
        return replace(entry, value=value, mark=self._mark(named) if self.limit else None, flow=place)

    def _entry(
        self,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        given: str | None,
        carrier: Mapping[str, str] | None = None,
    ) -> Entry:
        checked = self.arguments.check(args, kwargs)
        parent = running.get()
        correlation_id = parent.correlation_id if parent else ""
        entry = self._unmarked(args, kwargs, given or new_id(), carrier, correlation_id, given is not None)
        if self.limit or self._options.unique or self._options.idempotent:
            return replace(entry, mark=self._mark(self.arguments.by_name(*checked)))
        return entry

    def _unmarked(
        self,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        job_id: str,
        carrier: Mapping[str, str] | None,
        correlation_id: str,
        given: bool = False,
    ) -> Entry:
        options = self._options
        envelope = Envelope(
            enqueued_ms=int(time.time() * 1000),
            payload=encode_arguments(self._codec, self.name, args, kwargs, self.queue.fleet.max_payload),
            codec=self._codec.name,
            correlation_id=options.correlation_id or correlation_id,
            meta={**(options.meta or {}), **(carrier or {})} if options.meta or carrier else None,
            max_retries=options.max_retries,
            timeout=options.timeout,
        )
        return Entry(
            id=job_id,
            value=encode(self._head, envelope),
            at_ms=options.at_ms,
            delay_ms=options.delay_ms,
            priority=options.priority,
            given=given,
        )

    def _mark(self, named: Mapping[str, Any]) -> Mark:
        options, limit = self._options, self.limit
        return Mark(
            limit_key=limit.key_of(named) if limit else "",
            rule=limit.name if limit else "",
            unique=options.unique,
            unique_ms=options.unique_ms,
            fingerprint=fingerprint(self.name, named) if options.idempotent else "",
        )
