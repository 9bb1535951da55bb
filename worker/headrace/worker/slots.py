"""Shares a worker's slots between its queues by weight, without leaving a slot empty while another queue has work."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(eq=False)
class Share:
    """One queue's part. `hungry`: its last exchange brought as much as it had asked for."""

    weight: int
    held: int = 0
    hungry: bool = True


class Slots:
    """`total` slots; a slot is held from the moment it is asked for in an exchange until its job is finished."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.free = total
        self._shares: list[Share] = []

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
            weights = share.weight + sum(other.weight for other in rivals)
            fair = max(1, math.floor(self.total * share.weight / weights))
            grant = min(grant, max(0, fair - share.held))
        self.free -= grant
        share.held += grant
        return grant

    def give_back(self, share: Share, count: int) -> None:
        """Slots that brought no job, or whose job has ended."""
        self.free += count
        share.held -= count

    @property
    def busy(self) -> int:
        """Slots held right now."""
        return self.total - self.free
