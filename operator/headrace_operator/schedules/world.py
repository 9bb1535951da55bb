"""Everything that a look at a Schedule reaches beyond its own entry, in one value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from headrace_operator.api.names import QueueKey, ScheduleKey
from headrace_operator.api.schedule_status import ScheduleStatus
from headrace_operator.api.worker_queue import WorkerQueue
from headrace_operator.reconcile.addresses import Addresses
from headrace_operator.schedules.places import Places
from headrace_operator.schedules.settings import ScheduleSettings
from headrace_operator.seams.objects import Schedules


@dataclass(frozen=True)
class ScheduleWorld:
    """The seams, the clock, and the connections."""

    schedules: Schedules
    queues: Mapping[QueueKey, WorkerQueue]
    """Every WorkerQueue that is known and makes sense."""
    settled: Callable[[], bool]
    """A WorkerQueue that is not among them does not exist."""
    addresses: Addresses
    places: Places
    settings: ScheduleSettings
    now: Callable[[], float]
    """Unix time in seconds; for what people read, never for what fires."""
    fence: Callable[[], None]
    """Raises a HeadraceError where another process may lead."""
    told: Callable[[ScheduleKey, ScheduleStatus], None]
    """Hears every status, written or not."""
