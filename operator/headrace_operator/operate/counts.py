"""Counts what the loop tells. Integers only; what is counted for a WorkerQueue goes with it."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from headrace_operator.api.names import QueueKey
from headrace_operator.api.status import DecisionStatus, WorkerQueueStatus
from headrace_operator.core.departure import Departure
from headrace_operator.core.events import Event
from headrace_operator.reconcile.listener import Listener, Look

BOUNDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds of the classes of reconcile durations, seconds."""


@dataclass
class QueueCounts:
    """What happened to one WorkerQueue since this process leads."""

    failed_reconciles: int = 0
    decisions: Counter[str] = field(default_factory=Counter)
    """Reason → decisions that differed from the one before."""
    events: Counter[str] = field(default_factory=Counter)
    """Reason of an event → how often people were told."""
    victims: Counter[str] = field(default_factory=lambda: Counter(idle=0, drained=0, others=0))
    """Workers that scale-ins took away, by what was known of them: see Departure. All begin at 0, or the first of a
    kind would be in no rate."""
    decided: tuple[int, str, str | None] | None = None


class Counts(Listener):
    """Everything that has been counted in this process."""

    def __init__(self) -> None:
        self.heard = time.monotonic()
        """When a status was last told, on the monotonic clock; before the first one, the beginning."""
        self.reconciles = 0
        self.failed_reconciles = 0
        self.seconds = 0.0
        """Sum of the reconciles' durations."""
        self.durations = [0] * (len(BOUNDS) + 1)
        """Reconciles in each class; the last one has no upper bound."""
        self.queues: dict[QueueKey, QueueCounts] = {}

    def forget(self) -> None:
        """Another process leads: what was counted for WorkerQueues is its matter now."""
        self.queues.clear()
        self.heard = time.monotonic()

    def looked(self, look: Look) -> None:
        """See Listener."""
        self.reconciles += 1
        self.failed_reconciles += look.failed
        self.seconds += look.seconds
        self.durations[sum(look.seconds > bound for bound in BOUNDS)] += 1
        if look.gone:
            self.queues.pop(look.key, None)
        elif look.failed:
            self._of(look.key).failed_reconciles += 1

    def status(self, key: QueueKey, status: WorkerQueueStatus) -> None:
        """See Listener."""
        self.heard = time.monotonic()
        counts, decision = self._of(key), status.last_decision
        if decision is not None and counts.decided != _essence(decision):
            counts.decided = _essence(decision)
            counts.decisions[decision.reason] += 1

    def left(self, key: QueueKey, departure: Departure) -> None:
        """See Listener."""
        victims = self._of(key).victims
        victims["idle"] += len(departure.idle)
        victims["drained"] += len(departure.drained)
        victims["others"] += len(departure.others)

    def told(self, key: QueueKey, event: Event) -> None:
        """See Listener."""
        self._of(key).events[event.reason] += 1

    def _of(self, key: QueueKey) -> QueueCounts:
        return self.queues.setdefault(key, QueueCounts())


def _essence(decision: DecisionStatus) -> tuple[int, str, str | None]:
    return decision.desired, decision.reason, decision.limited_by
