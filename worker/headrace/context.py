"""What a handler can know about the job it runs."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from time import monotonic
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec

from headrace.contract.progress import MOST_CHARACTERS
from headrace.errors import ConfigError

TICK = "headrace.tick"
"""In a job's metadata: the tick it was planned for, Unix ms."""
NO_META: Mapping[str, str] = MappingProxyType({})


ROUNDING = 1e-6
"""How far beyond 0 and 1 a fraction may come out of somebody's sum."""


class Said(NamedTuple):
    """What a run has last said of itself."""

    fraction: float
    message: str
    at: float
    """Monotonic seconds."""


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

    _said: Said | None = None
    _no_progress: str = ""
    """Why this run can't say how far it is; empty where it can."""

    def progress(self, fraction: float, message: str = "") -> None:
        """Say how far this run has come, 0 to 1, and a few words (200 characters are kept). From any thread.

        It costs no round trip: the latest goes along with the next renewal of the worker's lease, within two seconds,
        and is gone with the run. Raises ValueError for a fraction that is none, ConfigError where the broker keeps no
        progress.
        """
        if self._no_progress:
            raise ConfigError(self._no_progress)
        if not -ROUNDING <= fraction <= 1 + ROUNDING:
            raise ValueError(f"progress({fraction}): use a fraction from 0 to 1")
        text = str(message)[:MOST_CHARACTERS].encode(errors="replace").decode()
        self._said = Said(min(max(float(fraction), 0.0), 1.0), text, monotonic())

    @property
    def said(self) -> Said | None:
        """What `progress` was last told."""
        return self._said

    @property
    def tick(self) -> datetime | None:
        """For a run of a periodic task the time it was planned for, in UTC, however late it runs; else None."""
        ms = self.meta.get(TICK)
        return None if ms is None else datetime.fromtimestamp(int(ms) / 1000, UTC)

    def as_dict(self) -> dict[str, Any]:
        """Its fields by name, for `Context(**fields)` in another process."""
        fields = {**msgspec.structs.asdict(self), "meta": dict(self.meta)}
        del fields["_said"]
        return fields

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
