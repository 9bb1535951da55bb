"""When a Schedule is due next: what `schedules next` says, on a cluster and on a laptop. Pure."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, Final
from zoneinfo import ZoneInfo

from headrace_operator.core.recurrence import parse

MOST: Final = 1000
"""Ticks that can be asked for."""


@dataclass(frozen=True)
class Upcoming:
    """The next ticks of one Schedule, whether it is suspended or not."""

    description: str
    suspended: bool
    zone: str
    next_ms: tuple[int, ...]

    @property
    def shown(self) -> list[str]:
        """Each in the Schedule's own zone."""
        zone = ZoneInfo(self.zone)
        return [datetime.fromtimestamp(ms / 1000, zone).isoformat(sep=" ", timespec="seconds") for ms in self.next_ms]

    @property
    def document(self) -> dict[str, Any]:
        """For scripts."""
        return {"description": self.description, "suspended": self.suspended, "next_ms": self.next_ms}


def upcoming(cron: str, zone: str, *, suspended: bool, after_ms: int, count: int) -> Upcoming:
    """`count` ticks later than `after_ms`, fewer when there are no more. Raises ConfigError."""
    recurrence = parse(cron, zone)
    ticks = tuple(islice(recurrence.cron.ticks_after(after_ms), count))
    return Upcoming(recurrence.describe(), suspended, recurrence.zone, ticks)


def read_count(text: str) -> int:
    """As an option's type. Raises ArgumentTypeError."""
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= MOST):
        raise argparse.ArgumentTypeError(f"must be a number from 1 to {MOST}")
    return int(text)


def warning(name: str) -> str:
    """Beside the ticks of one that is suspended."""
    return f"{name} is suspended: nothing runs until it is resumed"
