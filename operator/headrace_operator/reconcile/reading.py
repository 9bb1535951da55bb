"""What was last read of one queue in Redis, as a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from headrace.contract.stats import QueueStats
from headrace_operator.core.observation import Unavailable
from headrace_operator.reconcile.trouble import NOT_YET_READ


@dataclass(frozen=True)
class Reading:
    """A queue's numbers, or why they aren't known."""

    stats: QueueStats | Unavailable = NOT_YET_READ
    dead_by_reason: Mapping[str, int] = field(default_factory=dict)
    read_at: float = 0.0
    """Monotonic seconds."""

    @property
    def busy(self) -> bool:
        """There are jobs to run."""
        return isinstance(self.stats, QueueStats) and self.stats.demand > 0

    @property
    def due_at(self) -> float | None:
        """When the earliest scheduled job falls due, in monotonic seconds; None if there is none."""
        if not isinstance(self.stats, QueueStats) or self.stats.next_due_ms is None:
            return None
        return self.read_at + max(self.stats.next_due_ms - self.stats.now_ms, 0) / 1000

    def tells_more_than(self, other: Reading) -> bool:
        """Whether something changed that a reconcile would want to know."""
        return _essence(self.stats) != _essence(other.stats) or self.dead_by_reason != other.dead_by_reason


def _essence(stats: QueueStats | Unavailable) -> object:
    if isinstance(stats, Unavailable):
        return stats
    workers = frozenset((one.sid, one.leases == 0, one.cordoned) for one in stats.workers)
    return msgspec.structs.replace(stats, now_ms=0, trial_left_ms=0, workers=(), versions={}), workers
