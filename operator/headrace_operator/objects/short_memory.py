"""Remembers a few values for a short time, so that a loop need not ask again each time."""

from __future__ import annotations

import time
from collections.abc import Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class ShortMemory(Generic[Key, Value]):
    """At most `most` values, each for `seconds`; the oldest goes first."""

    def __init__(self, *, seconds: float, most: int) -> None:
        self._seconds, self._most = seconds, most
        self._kept: dict[Key, tuple[float, Value]] = {}

    def get(self, key: Key) -> Value | None:
        """The value, while it is young enough."""
        since, value = self._kept.get(key, (0.0, None))
        return value if time.monotonic() - since < self._seconds else None

    def put(self, key: Key, value: Value) -> None:
        """Remember `value` from now on."""
        self._kept.pop(key, None)
        self._kept[key] = time.monotonic(), value
        while len(self._kept) > self._most:
            del self._kept[next(iter(self._kept))]
