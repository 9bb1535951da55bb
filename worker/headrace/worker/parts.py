"""What all queues of one worker share."""

from __future__ import annotations

from dataclasses import dataclass, field

from headrace.brokers.protocol import Source
from headrace.hooks import Hooks
from headrace.worker.metrics import Metrics
from headrace.worker.processes import Processes
from headrace.worker.resources import Resources
from headrace.worker.session import Pulse
from headrace.worker.settings import WorkerSettings
from headrace.worker.slots import Slots
from headrace.worker.telemetry import Telemetry
from headrace.worker.threads import Threads


@dataclass(frozen=True)
class Parts:
    """Made once by the launcher."""

    settings: WorkerSettings
    source: Source
    hooks: Hooks
    pulse: Pulse
    slots: Slots
    metrics: Metrics
    telemetry: Telemetry
    threads: Threads
    processes: Processes
    children: bool = True
    """Handlers of process=True run in child processes; False: as others do, for tests."""
    resources: Resources = field(default_factory=lambda: Resources({}))
