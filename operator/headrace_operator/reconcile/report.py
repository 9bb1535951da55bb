"""Writes the status and tells people what happened: on transitions at once, for mere numbers now and then."""

from __future__ import annotations

import logging

from headrace_operator.api.status import WorkerQueueStatus
from headrace_operator.core.events import events
from headrace_operator.core.summary import worth_writing
from headrace_operator.reconcile.record import Record
from headrace_operator.reconcile.world import World
from headrace_operator.seams.errors import ObjectChangedError, ObjectGoneError

log = logging.getLogger(__name__)


async def report(status: WorkerQueueStatus, record: Record, world: World) -> None:
    """Raises ObjectsUnavailableError. A WorkerQueue that has changed meanwhile is looked at again, with its change."""
    record.status = status
    world.listener.status(record.key, status)
    now = world.now()
    if not worth_writing(record.written, status, record.written_at, now):
        return
    try:
        version = await world.objects.write_status(record.key, record.resource_version, status)
    except (ObjectChangedError, ObjectGoneError) as error:
        log.debug("status of %s not written: %s", record.key, error)
        return
    told, record.written, record.written_at = record.written, status, now
    record.resource_version = version
    for event in events(told, status):
        world.listener.told(record.key, event)
        await world.objects.emit(record.key, event.kind, event.reason, event.message)
