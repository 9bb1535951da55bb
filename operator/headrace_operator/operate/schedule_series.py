"""The series of one Schedule, read from its last status. Asks nobody.

Every series has the labels namespace and name; further labels take values from closed sets. Before the first run, and
without a next tick as while it is suspended, there is no such time and so no sample.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from headrace_operator.api.schedule_status import ScheduleStatus
from headrace_operator.core.clock import seconds
from headrace_operator.operate.series import Samples, Series


def _time(read: Callable[[ScheduleStatus], str | None]) -> Callable[[ScheduleStatus], Samples]:
    def samples(status: ScheduleStatus) -> Samples:
        if (said := read(status)) is not None:
            yield (), seconds(said)

    return samples


def _count(read: Callable[[ScheduleStatus], int]) -> Callable[[ScheduleStatus], Samples]:
    def samples(status: ScheduleStatus) -> Samples:
        yield (), read(status)

    return samples


def _conditions(status: ScheduleStatus) -> Samples:
    for one in status.conditions:
        yield (one.type, one.reason), float(one.status == "True")


GAUGES: Final = (
    Series("condition", "Conditions of the status: 1 is True, 0 False.", _conditions, ("type", "reason")),
    Series("next_run_timestamp_seconds", "The next tick, Unix time.", _time(lambda one: one.next_schedule_time)),
    Series("last_run_timestamp_seconds", "The last tick that made a job.", _time(lambda one: one.last_schedule_time)),
    Series("active_jobs", "Jobs of the last runs that are not over.", _count(lambda one: len(one.active))),
)
COUNTERS: Final = (
    Series("runs", "Jobs made by a tick or out of turn.", _count(lambda one: one.enqueued)),
    Series(
        "skipped", "Ticks and runs out of turn that concurrencyPolicy Forbid skipped.", _count(lambda one: one.skipped)
    ),
    Series("missed", "Ticks that passed without running and never will.", _count(lambda one: one.missed)),
)
