"""What the loop tells whoever counts: one value per reconcile, one per event. Counting is not the loop's business."""

from __future__ import annotations

from dataclasses import dataclass

from headrace_operator.api.names import QueueKey
from headrace_operator.api.status import WorkerQueueStatus
from headrace_operator.core.departure import Departure
from headrace_operator.core.events import Event


@dataclass(frozen=True)
class Look:
    """One reconcile of one WorkerQueue."""

    key: QueueKey
    seconds: float
    """How long it took."""
    failed: bool = False
    gone: bool = False
    """It was the last one: nothing is left of that WorkerQueue."""


class Listener:
    """Hears everything and does nothing. Its heirs must not block, nor raise."""

    def looked(self, look: Look) -> None:
        """A reconcile has ended."""

    def status(self, key: QueueKey, status: WorkerQueueStatus) -> None:
        """This is how it is now, written or not."""

    def left(self, key: QueueKey, departure: Departure) -> None:
        """Workers went because fewer were wanted."""

    def told(self, key: QueueKey, event: Event) -> None:
        """Something happened; people are told so."""
