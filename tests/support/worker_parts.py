"""What the queues of a worker share, for tests of one piece in this process: connected to nothing, silent."""

from __future__ import annotations

import io

from headrace import Fleet
from headrace.brokers.redis import RedisSource
from headrace.wire.target import Target
from headrace.worker.log import Log
from headrace.worker.metrics import Metrics
from headrace.worker.parts import Parts
from headrace.worker.processes import Processes
from headrace.worker.session import Pulse
from headrace.worker.settings import load_settings
from headrace.worker.slots import Slots
from headrace.worker.telemetry import Telemetry
from headrace.worker.threads import Threads


def make_parts(fleet: Fleet | None = None) -> Parts:
    """Default settings; the fleet's hooks."""
    settings, _ = load_settings({})
    metrics = Metrics()
    return Parts(
        settings=settings,
        source=RedisSource(Target()),
        hooks=(fleet or Fleet()).hooks,
        pulse=Pulse("w", "v", 10),
        slots=Slots(10),
        metrics=metrics,
        telemetry=Telemetry(Log(stream=io.StringIO(), jobs="none", level="error"), metrics),
        threads=Threads(),
        processes=Processes("app", "redis://h"),
    )
