"""Ids in the order of a score: what Redis calls a sorted set."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heapify, heappop, heappush


class Scored:
    """The heap may hold entries that are no longer true; they are passed over when they come up."""

    def __init__(self) -> None:
        self._scores: dict[str, int] = {}
        self._heap: list[tuple[int, str]] = []

    def __len__(self) -> int:
        return len(self._scores)

    def __contains__(self, member: str) -> bool:
        return member in self._scores

    def __iter__(self) -> Iterator[str]:
        """By score, then by name."""
        return iter(sorted(self._scores, key=lambda member: (self._scores[member], member)))

    def put(self, member: str, score: int) -> None:
        """Add it, or move it."""
        self._scores[member] = score
        heappush(self._heap, (score, member))
        if len(self._heap) > 2 * len(self._scores) + 100:
            self._heap = [(score, member) for member, score in self._scores.items()]
            heapify(self._heap)

    def score(self, member: str) -> int | None:
        """None: not in it."""
        return self._scores.get(member)

    def discard(self, member: str) -> bool:
        """Whether it was in it."""
        return self._scores.pop(member, None) is not None

    def first(self) -> tuple[str, int] | None:
        """The one with the lowest score."""
        while self._heap:
            score, member = self._heap[0]
            if self._scores.get(member) == score:
                return member, score
            heappop(self._heap)
        return None

    def pop(self, most: int) -> list[tuple[str, int]]:
        """Up to `most`, the lowest first."""
        popped: list[tuple[str, int]] = []
        while len(popped) < most and (head := self.first()) is not None:
            self.discard(head[0])
            popped.append(head)
        return popped

    def until(self, score: int) -> list[tuple[str, int]]:
        """Those of at most that score, the lowest first."""
        return sorted(((m, s) for m, s in self._scores.items() if s <= score), key=lambda one: (one[1], one[0]))
