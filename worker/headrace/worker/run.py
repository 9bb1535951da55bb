"""One claimed job on its way through the worker."""

from __future__ import annotations

import asyncio
from enum import Enum, auto
from time import monotonic

from headrace.context import Context


class Stop(Enum):
    """Why a running handler is being cancelled."""

    TIMEOUT = auto()
    CANCEL = auto()
    LOST = auto()
    SHUTDOWN = auto()


class Run:
    """Made when a job is claimed, dropped when it is settled."""

    __slots__ = (
        "claim",
        "context",
        "crashes",
        "deadline",
        "id",
        "place",
        "ready_us",
        "started",
        "stop",
        "task",
        "value",
    )

    def __init__(self, job_id: str, value: bytes, claim: str, ready_us: int, crashes: int) -> None:
        self.id = job_id
        self.value = value
        self.claim = claim
        self.ready_us = ready_us
        self.crashes = crashes
        self.context: Context
        """Once it has started."""
        self.started = 0.0
        self.deadline = float("inf")
        """Monotonic seconds."""
        self.stop: Stop | None = None
        self.task: asyncio.Task[None] | None = None
        self.place = ""
        """file:line where the handler failed."""

    def extend(self, seconds: float) -> None:
        """The handler has ended; what follows it has its own time."""
        self.deadline = monotonic() + seconds
        if self.stop is Stop.TIMEOUT:
            self.stop = None

    def cancel(self, why: Stop) -> None:
        """Ask the handler to end. A later, weaker reason does not replace an earlier one, but LOST replaces all.

        A task cancelled before its first step would never run the code that settles it; that step looks at `stop`.
        """
        if self.stop is None or why is Stop.LOST:
            self.stop = why
            if self.task is not None and self.started:
                self.task.cancel()
