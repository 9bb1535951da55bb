"""The parts of a worker that belongs to a test: real ones, silent, without child processes."""

from __future__ import annotations

import io
from dataclasses import replace
from functools import cache
from typing import Any

from headrace.brokers.protocol import Source
from headrace.client.fleet import Fleet
from headrace.worker.log import Log
from headrace.worker.metrics import Metrics
from headrace.worker.parts import Parts
from headrace.worker.processes import Processes
from headrace.worker.resources import Resources
from headrace.worker.session import Pulse
from headrace.worker.settings import WorkerSettings, load_settings
from headrace.worker.slots import Slots
from headrace.worker.telemetry import Telemetry
from headrace.worker.threads import Threads


def settings_of(changes: dict[str, Any]) -> WorkerSettings:
    """A worker's defaults, whatever the environment says, with these changes by field name."""
    settings, _ = load_settings({"HEADRACE_WORKER_ID": "test"})
    return replace(settings, **changes)


@cache
def _silent_log() -> Log:
    """One for all: each is kept until the process ends."""
    return Log(level="error", stream=io.StringIO(), jobs="none")


def parts_of(fleet: Fleet, source: Source, settings: WorkerSettings) -> Parts:
    """Made anew for each worker."""
    metrics = Metrics()
    return Parts(
        settings=settings,
        source=source,
        hooks=fleet.hooks,
        pulse=Pulse(settings.worker_id, settings.version, settings.concurrency),
        slots=Slots(settings.concurrency),
        metrics=metrics,
        telemetry=Telemetry(_silent_log(), metrics, traced=fleet.tracing is not None),
        threads=Threads(),
        processes=Processes("", source.redacted),
        children=False,
        resources=Resources(fleet.overrides),
    )
