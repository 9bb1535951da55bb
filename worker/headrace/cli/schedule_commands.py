"""`headrace schedules list`: what Redis knows of a queue's Schedules. To run or pause one is `kubectl headrace`'s: what
a Schedule runs, and when, is in Kubernetes alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from headrace.admin.queue_admin import QueueAdmin
from headrace.admin.schedules import ScheduleRecord
from headrace.cli.output import Cell, Format, Printer, time_of
from headrace.cli.session import ask_queue
from headrace.cli.unused_queue import note_unused

_COLUMNS = ("NAME", "LAST TICK", "LAST JOB", "ACTIVE", "SUSPENDED", "ENQUEUED", "SKIPPED", "MISSED", "UID")


def list_schedules(queue: str, redis_url: str, output: Format) -> None:
    """As Redis remembers them."""
    found = ask_queue(redis_url, queue, _all)
    Printer(output).rows(_COLUMNS, [_row(record) for record in found], [_json(record) for record in found])


async def _all(admin: QueueAdmin) -> Sequence[ScheduleRecord]:
    found = await admin.schedules.all()
    if not found:
        await note_unused(admin)
    return found


def _row(record: ScheduleRecord) -> list[Cell]:
    last = next((run.job_id for run in record.recent if run.job_id), None)
    return [
        *(record.name, time_of(record.last_tick_ms), last, len(record.active), record.suspended),
        *(record.enqueued, record.skipped, record.missed, record.uid),
    ]


def _json(record: ScheduleRecord) -> Mapping[str, Any]:
    names = (
        "name",
        "uid",
        "since_ms",
        "last_tick_ms",
        "suspended",
        "enqueued",
        "skipped",
        "missed",
        "recent",
        "active",
    )
    return {name: getattr(record, name) for name in names}
