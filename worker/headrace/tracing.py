"""OpenTelemetry spans for enqueues and runs, by the semantic conventions for messaging. Needs the extra `tracing`.

The context travels in the job's metadata. Whoever does not call `trace` pays nothing, and need not have the package.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from headrace.context import Context
from headrace.errors import ConfigError
from headrace.retry import RetryLater

try:
    from opentelemetry import context as otel
    from opentelemetry import propagate
    from opentelemetry.trace import (
        Link,
        Span,
        SpanKind,
        Status,
        StatusCode,
        Tracer,
        TracerProvider,
        get_current_span,
        get_tracer,
    )
except ImportError as missing:
    raise ConfigError("tracing needs OpenTelemetry: pip install 'headrace[tracing]'") from missing

if TYPE_CHECKING:
    from headrace.client.fleet import Fleet

Attributes = dict[str, str | int]


def trace(fleet: Fleet, *, provider: TracerProvider | None = None, parent: bool = True, messages: bool = False) -> None:
    """Trace this fleet's enqueues and runs; called where the fleet is made, in producers and workers alike.

    provider: default the global one. parent: a run is a child of its enqueue; False begins a trace of its own that
    links to it, for jobs that run much later. messages: spans of failed runs have the error's message, which may quote
    a payload, not only its class and stack. Raises ConfigError when called twice.
    """
    if fleet.tracing is not None:
        raise ConfigError("trace: this fleet is traced already")
    tracing = FleetTracing(get_tracer("headrace", tracer_provider=provider), parent=parent, messages=messages)
    fleet.tracing = tracing
    fleet.middlewares.insert(0, tracing.run)  # around all others, so that they belong to the run


class FleetTracing:
    """A fleet's `tracing`, and its outermost middleware."""

    def __init__(self, tracer: Tracer, *, parent: bool, messages: bool) -> None:
        self._tracer = tracer
        self._parent = parent
        self._messages = messages

    @contextmanager
    def sending(self, queue: str, task: str) -> Iterator[SentSpan]:
        """Around an enqueue: a producer's span, from whatever is current."""
        about = _about("send", queue, task)
        name = f"send {queue}"
        with self._tracer.start_as_current_span(
            name, kind=SpanKind.PRODUCER, attributes=about, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield SentSpan(span)
            except BaseException as error:
                self._failed(span, error)
                raise

    async def run(self, context: Context, call_next: Callable[[], Awaitable[Any]]) -> Any:
        """Around a run: a consumer's span."""
        sender = propagate.extract(context.meta, context=otel.Context())
        link = get_current_span(sender).get_span_context()
        with self._tracer.start_as_current_span(
            f"process {context.queue}",
            context=sender if self._parent else otel.Context(),
            links=[Link(link)] if link.is_valid and not self._parent else None,
            kind=SpanKind.CONSUMER,
            attributes=_about_run(context),
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            mine = span.get_span_context()
            if mine.trace_flags.sampled:
                context.trace_id = f"{mine.trace_id:032x}"
            context.meta = {**context.meta, **_carrier()}
            try:
                return await call_next()
            except BaseException as error:
                self._failed(span, error)
                raise

    @contextmanager
    def attached(self, context: Context) -> Iterator[None]:
        """In a child process: the run's span, which the parent holds, is current."""
        token = otel.attach(propagate.extract(context.meta, context=otel.Context()))
        try:
            yield
        finally:
            otel.detach(token)

    def _failed(self, span: Span, error: BaseException) -> None:
        if not span.is_recording():
            return
        if isinstance(error, RetryLater):  # a wish
            span.add_event("retry later", {"headrace.delay": error.delay})
            return
        from headrace.worker.failures import traceback_text

        kind = type(error).__qualname__
        message = str(error) if self._messages else ""
        stack = {"exception.message": message, "exception.stacktrace": traceback_text(error)}
        span.set_attribute("error.type", kind)
        span.add_event("exception", {"exception.type": kind, **stack})
        span.set_status(Status(StatusCode.ERROR, message or kind))


class SentSpan:
    """An enqueue's span."""

    def __init__(self, span: Span) -> None:
        self._span = span
        self.carrier: Mapping[str, str] = _carrier()

    def jobs(self, ids: Sequence[str]) -> None:
        """One job by its id, several by their number."""
        if len(ids) == 1:
            self._span.set_attribute("messaging.message.id", ids[0])
        else:
            self._span.set_attribute("messaging.batch.message_count", len(ids))


def _carrier() -> dict[str, str]:
    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    return carrier


def _about(operation: str, queue: str, task: str) -> Attributes:
    return {
        "messaging.system": "headrace",
        "messaging.operation.name": operation,
        "messaging.operation.type": operation,
        "messaging.destination.name": queue,
        "headrace.task": task,
    }


def _about_run(context: Context) -> Attributes:
    return _about("process", context.queue, context.task) | {
        "messaging.message.id": context.job_id,
        "messaging.message.conversation_id": context.correlation_id,
        "messaging.client.id": context.worker_id,
        "headrace.attempt": context.attempt,
        "headrace.crashes": context.crashes,
    }
