"""What a handler can know about the job it runs."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import msgspec

TICK = "headrace.tick"
"""In a job's metadata: the tick it was planned for, Unix ms."""
NO_META: Mapping[str, str] = MappingProxyType({})


class Context(msgspec.Struct, kw_only=True, eq=False, gc=False):
    """One run of one job. Handlers and middleware get it; nothing in it is the payload."""

    job_id: str
    queue: str
    task: str
    attempt: int = 1
    """1 for the first run; grows only when a handler has failed."""
    max_retries: int = 0
    crashes: int = 0
    """How often a worker has died while running this job."""
    replays: int = 0
    worker_id: str = ""
    sid: str = ""
    correlation_id: str = ""
    meta: Mapping[str, str] = NO_META
    ready_ms: float = 0.0
    """Since when the job could have run, Unix ms on the Redis server's clock."""
    trace_id: str = ""
    """Of the trace that this run is sampled into, 32 hex digits; empty without tracing."""

    @property
    def tick(self) -> datetime | None:
        """For a run of a periodic task the time it was planned for, in UTC, however late it runs; else None."""
        ms = self.meta.get(TICK)
        return None if ms is None else datetime.fromtimestamp(int(ms) / 1000, UTC)

    def as_dict(self) -> dict[str, Any]:
        """Its fields by name, for `Context(**fields)` in another process."""
        return {**msgspec.structs.asdict(self), "meta": dict(self.meta)}

    def __repr__(self) -> str:
        return f"<Context {self.queue}/{self.task} {self.job_id} attempt {self.attempt}>"


running: ContextVar[Context | None] = ContextVar("headrace_context", default=None)


running_batch: ContextVar[tuple[Context, ...]] = ContextVar("headrace_contexts", default=())


def current_context() -> Context:
    """The context of the job that runs here. Raises RuntimeError outside a handler, and in one that runs a batch."""
    context = running.get()
    if context is None:
        if running_batch.get():
            raise RuntimeError("current_context() was called in a batch handler; use current_contexts()")
        raise RuntimeError("current_context() was called outside a running job")
    return context


def current_contexts() -> tuple[Context, ...]:
    """In a batch handler: the contexts of its jobs, in the order of the payloads. Raises RuntimeError outside."""
    return running_batch.get() or (current_context(),)
