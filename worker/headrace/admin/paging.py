"""Reads dead letters in order of death, a bounded number at a time, through dead_page.lua.

The cursor is the last time of death read: letters that come or go elsewhere never shift it. No two letters die in the
same microsecond.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from headrace.admin.handle import QueueHandle
from headrace.wire.commands import Argument


@dataclass(frozen=True)
class Range:
    """Which times of death to read, Unix µs; bounds inclusive, None: no bound."""

    low: int | None = None
    high: int | None = None
    newest_first: bool = False

    def until(self, us: int) -> Range:
        """The same without what died later than `us`."""
        return replace(self, high=us if self.high is None else min(us, self.high))

    def after(self, cursor: int | None) -> Range:
        """The same without what was read up to `cursor`."""
        if cursor is None:
            return self
        if self.newest_first:
            return Range(self.low, min(cursor - 1, self.high if self.high is not None else cursor), True)
        return Range(max(cursor + 1, self.low if self.low is not None else cursor), self.high)


class Scored(NamedTuple):
    """One dead letter as it stands in the order."""

    died_us: int
    id: str
    entry: bytes | None
    """Its `dj` value; None when it was not asked for, or is lost."""


@dataclass(frozen=True)
class Wanted:
    """Letters of a task and a reason (None: any) in a range."""

    task: str | None = None
    reason: str | None = None
    range: Range = Range()

    def arguments(self, limit: int, *, entries: bool) -> list[Argument]:
        """As dead_page.lua takes them; `limit`: 1 to 1000."""
        wanted = self.range
        return [
            *map(as_wanted, (self.task, self.reason)),
            "-inf" if wanted.low is None else wanted.low,
            "+inf" if wanted.high is None else wanted.high,
            limit,
            "newest" if wanted.newest_first else "oldest",
            "entries" if entries else "ids",
        ]


def as_wanted(name: str | None) -> str:
    """A task or a reason as the scripts take it; None: any."""
    return "" if name is None else f"={name}"


async def read_page(handle: QueueHandle, wanted: Wanted, limit: int, *, entries: bool = True) -> list[Scored]:
    """The first `limit` (1 to 1000) letters; fewer only when there are no more."""
    return decode_page(await handle.run("dead_page", *wanted.arguments(limit, entries=entries)))


def decode_page(reply: Sequence[Any]) -> list[Scored]:
    """The reply of dead_page.lua."""
    ids, times, entries = reply
    return [
        Scored(int(float(died)), job_id.decode(), entry)
        for job_id, died, entry in zip(ids, times, entries or [None] * len(ids), strict=True)
    ]
