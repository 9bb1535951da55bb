"""What a handler can know about the job it runs."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any


class Context:
    """One run of one job. Handlers and middleware get it; nothing in it is the payload."""

    __slots__ = (
        "attempt",
        "correlation_id",
        "crashes",
        "job_id",
        "max_retries",
        "meta",
        "queue",
        "ready_ms",
        "replays",
        "sid",
        "task",
        "worker_id",
    )

    def __init__(
        self,
        *,
        job_id: str,
        queue: str,
        task: str,
        attempt: int = 1,
        max_retries: int = 0,
        crashes: int = 0,
        replays: int = 0,
        worker_id: str = "",
        sid: str = "",
        correlation_id: str = "",
        meta: Mapping[str, str] | None = None,
        ready_ms: float = 0.0,
    ) -> None:
        self.job_id = job_id
        self.queue = queue
        self.task = task
        self.attempt = attempt
        """1 for the first run; grows only when a handler has failed."""
        self.max_retries = max_retries
        self.crashes = crashes
        """How often a worker has died while running this job."""
        self.replays = replays
        self.worker_id = worker_id
        self.sid = sid
        self.correlation_id = correlation_id
        self.meta: Mapping[str, str] = meta or {}
        self.ready_ms = ready_ms
        """Since when the job could have run, Unix ms on the Redis server's clock."""

    def as_dict(self) -> dict[str, Any]:
        """Its fields by name, for `Context(**fields)` in another process."""
        return {name: getattr(self, name) for name in self.__slots__}

    def __repr__(self) -> str:
        return f"<Context {self.queue}/{self.task} {self.job_id} attempt {self.attempt}>"


running: ContextVar[Context | None] = ContextVar("headrace_context", default=None)


def current_context() -> Context:
    """The context of the job that runs here. Raises RuntimeError outside a handler."""
    context = running.get()
    if context is None:
        raise RuntimeError("current_context() was called outside a running job")
    return context
