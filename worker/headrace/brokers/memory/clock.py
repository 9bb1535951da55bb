"""What time it is for a memory broker: this machine's, or the time that a test says it is."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

from headrace.errors import UsageError


class Clock(Protocol):
    """Unix time."""

    def now_us(self) -> int:
        """Microseconds."""

    def on_move(self, hear: Callable[[], None]) -> None:
        """Call `hear` whenever the clock was moved by hand."""


class SystemClock:
    """This machine's."""

    def now_us(self) -> int:
        """Microseconds."""
        return time.time_ns() // 1000

    def on_move(self, hear: Callable[[], None]) -> None:
        """It never is."""


class VirtualClock:
    """Stands still until a test moves it; begins at the present second, or where it is told to."""

    def __init__(self, start: datetime | None = None) -> None:
        """start: an aware datetime, in whole seconds. Raises UsageError."""
        if start is not None and start.tzinfo is None:
            raise UsageError("VirtualClock: start must be an aware datetime (one with a time zone)")
        self._us = int(time.time() if start is None else start.timestamp()) * 1_000_000
        self._hearers: list[Callable[[], None]] = []

    def now_us(self) -> int:
        """Microseconds."""
        return self._us

    def advance(self, by: float | timedelta) -> None:
        """Let time pass: seconds, or a timedelta. Runs nothing by itself. Raises UsageError for less than none."""
        seconds = by.total_seconds() if isinstance(by, timedelta) else by
        if seconds < 0:
            raise UsageError(f"advance: time goes forward only, got {seconds:g} s")
        self._us += round(seconds * 1_000_000)
        for hear in self._hearers:
            hear()

    def on_move(self, hear: Callable[[], None]) -> None:
        """Call `hear` after each `advance`."""
        self._hearers.append(hear)
