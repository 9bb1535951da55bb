"""Shares a worker's slots between its queues by weight, without leaving a slot empty while another queue has work.

Each hungry queue has its whole fair share for certain. What is over, because shares are fractions or queues are not
hungry, goes to whoever has had the least for its weight: no queue starves, even where slots are fewer than queues.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from headrace.worker.pace import Pace


@dataclass(eq=False)
class Share:
    """One queue's part. `hungry`: its last exchange brought as much as it had asked for."""

    weight: int
    held: int = 0
    hungry: bool = True
    had: float = 0.0
    """Slots it has had so far, by weight; a queue that was not hungry begins where the others are."""


class Slots:
    """`total` slots; a slot is held from the moment it is asked for in an exchange until its job is finished."""

    def __init__(self, total: int, pace: Pace | None = None) -> None:
        """pace: how fast they may be given at all."""
        self.total = total
        self.pace = pace
        self.free = total
        self._shares: list[Share] = []
        self._reached = 0.0
        """The `had` at which slots were last given."""

    def open_share(self, weight: int) -> Share:
        """A new queue's part."""
        share = Share(weight)
        self._shares.append(share)
        return share

    def take(self, share: Share) -> int:
        """Slots for one exchange: half of all at most, so that the other lane can ask at the same time."""
        grant = min(self.free, max(1, math.ceil(self.total / 2)))
        rivals = [other for other in self._shares if other.hungry and other is not share]
        if rivals:
            grant = min(grant, self._allowed(share, rivals))
        if self.pace is not None and grant:
            grant = self.pace.take(grant)
        if grant:
            self._give(share, grant)
        return grant

    def take_to_stand(self, share: Share) -> int:
        """One slot for a claim that waits in Redis for a job, or none where others may want it in the meantime."""
        if not self.free or self.pace is not None or len(self._shares) > 1:
            return 0
        self._give(share, 1)
        return 1

    def _give(self, share: Share, count: int) -> None:
        if not share.hungry:
            share.had = max(share.had, self._reached)
        self._reached = max(self._reached, share.had)
        share.had += count / share.weight
        share.held += count
        self.free -= count

    def _allowed(self, share: Share, rivals: Sequence[Share]) -> int:
        weights = share.weight + sum(other.weight for other in rivals)

        def certain(one: Share) -> int:
            return max(0, self.total * one.weight // weights - one.held)

        over = self.free - sum(certain(other) for other in (share, *rivals))
        had = share.had if share.hungry else max(share.had, self._reached)
        first = all(had <= other.had for other in rivals)
        return certain(share) + (max(0, over) if first else 0)

    def give_back_unused(self, share: Share, count: int) -> None:
        """Slots that brought no job."""
        share.had -= count / share.weight
        if self.pace is not None:
            self.pace.give_back(count)
        self.give_back(share, count)

    def give_back(self, share: Share, count: int) -> None:
        """Slots whose job has ended."""
        self.free += count
        share.held -= count

    @property
    def busy(self) -> int:
        """Slots held right now."""
        return self.total - self.free
