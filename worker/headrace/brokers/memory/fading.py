"""Values with a time at which they are gone: what Redis calls keys with PX."""

from __future__ import annotations

from heapq import heappop, heappush
from typing import Generic, TypeVar

T = TypeVar("T")


class Fading(Generic[T]):
    """Whoever puts something in takes out what has gone, so it holds no more than what lives."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[T, int]] = {}
        self._ends: list[tuple[int, str]] = []

    def __len__(self) -> int:
        return len(self._kept)

    def put(self, name: str, value: T, now_ms: int, until_ms: int) -> None:
        """Times in Unix ms."""
        self._kept[name] = (value, until_ms)
        heappush(self._ends, (until_ms, name))
        while self._ends[0][0] <= now_ms:
            ended, old = heappop(self._ends)
            if self._kept.get(old, (None, 0))[1] == ended:
                del self._kept[old]
            if not self._ends:
                break

    def get(self, name: str, now_ms: int) -> T | None:
        """None when it is not there (any more)."""
        value, until_ms = self._kept.get(name, (None, 0))
        return value if until_ms > now_ms else None

    def discard(self, name: str) -> None:
        """Gone before its time."""
        self._kept.pop(name, None)
