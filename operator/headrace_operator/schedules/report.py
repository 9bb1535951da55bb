"""Writes the status of a Schedule and tells people what happened: transitions at once, mere numbers now and then."""

from __future__ import annotations

import logging

from headrace_operator.api.schedule_status import ScheduleStatus
from headrace_operator.core.schedule_events import events
from headrace_operator.core.schedule_summary import worth_writing
from headrace_operator.schedules.entry import Entry
from headrace_operator.schedules.world import ScheduleWorld
from headrace_operator.seams.errors import ObjectChangedError, ObjectGoneError

log = logging.getLogger(__name__)


async def report(status: ScheduleStatus, entry: Entry, world: ScheduleWorld) -> None:
    """Raises ObjectsUnavailableError. A Schedule that has changed meanwhile is looked at again, with its change."""
    entry.status = status
    world.told(entry.key, status)
    now = world.now()
    if not worth_writing(entry.written, status, entry.written_at, now):
        return
    try:
        version = await world.schedules.write_status(entry.key, entry.resource_version, status)
    except (ObjectChangedError, ObjectGoneError) as error:
        log.debug("status of %s not written: %s", entry.key, error)
        return
    told, entry.written, entry.written_at = entry.written, status, now
    entry.resource_version = version
    for event in events(told, status):
        await world.schedules.emit(entry.key, event.kind, event.reason, event.message)
