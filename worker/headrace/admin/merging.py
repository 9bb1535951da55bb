"""Reads several zsets as one, in order of score, a bounded number of members at a time.

The cursor is the last score read: members added or removed elsewhere never shift it. Scores must be unique over
the zsets, which times of death are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from headrace.admin.handle import QueueHandle

LEAST_FETCH = 10

Scored = tuple[int, str]
"""Score and member."""


@dataclass(frozen=True)
class Range:
    """Which scores to read; bounds inclusive, None: no bound."""

    low: int | None = None
    high: int | None = None
    newest_first: bool = False

    def after(self, cursor: int | None) -> Range:
        """The same without what was read up to `cursor`."""
        if cursor is None:
            return self
        if self.newest_first:
            return Range(self.low, min(cursor - 1, self.high if self.high is not None else cursor), True)
        return Range(max(cursor + 1, self.low if self.low is not None else cursor), self.high)

    def command(self, zset: str, limit: int) -> tuple[str | int, ...]:
        """The command that reads the first `limit` members of one zset."""
        low = "-inf" if self.low is None else str(self.low)
        high = "+inf" if self.high is None else str(self.high)
        if self.newest_first:
            return ("ZREVRANGEBYSCORE", zset, high, low, "WITHSCORES", "LIMIT", 0, limit)
        return ("ZRANGEBYSCORE", zset, low, high, "WITHSCORES", "LIMIT", 0, limit)


async def read_merged(handle: QueueHandle, zsets: Sequence[str], wanted: Range, limit: int) -> list[Scored]:
    """The first `limit` members over all zsets; fewer only when there are no more."""
    read: list[Scored] = []
    while zsets and len(read) < limit:
        fetch = max(LEAST_FETCH, (limit - len(read)) // len(zsets))
        replies = await handle.pipeline([wanted.command(name, fetch) for name in zsets])
        columns = [_scored(reply) for reply in replies]
        certain = merge_certain(columns, fetch, newest_first=wanted.newest_first)
        if not certain:
            break
        read += certain
        wanted = wanted.after(certain[-1][0])
        zsets = [name for name, column in zip(zsets, columns, strict=True) if column]
    return read[:limit]


def merge_certain(columns: Sequence[Sequence[Scored]], fetch: int, *, newest_first: bool) -> list[Scored]:
    """Merge what `fetch` members of each zset prove: nothing beyond the end of a column that may go on."""
    sign = -1 if newest_first else 1
    horizons = [sign * column[-1][0] for column in columns if len(column) >= fetch]
    merged = sorted((item for column in columns for item in column), key=lambda item: sign * item[0])
    if not horizons:
        return merged
    return [item for item in merged if sign * item[0] <= min(horizons)]


def _scored(reply: list[Any]) -> list[Scored]:
    return [(int(float(reply[i + 1])), reply[i].decode()) for i in range(0, len(reply), 2)]
