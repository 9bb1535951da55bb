"""Finds out whether a Schedule can fire: its timing, its queue, the task that workers publish. Changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from headrace.admin.published import limit_key_of, named_arguments
from headrace.errors import HeadraceError, PayloadError
from headrace_operator.api.names import QueueKey
from headrace_operator.api.schedule import Schedule
from headrace_operator.api.schedule_spec import ScheduleSpec
from headrace_operator.core.recurrence import Recurrence
from headrace_operator.core.schedule_verdict import (
    ScheduleReason,
    Verdict,
    find_queue,
    find_task,
    judge_arguments,
    read_timing,
)
from headrace_operator.reconcile.trouble import explain
from headrace_operator.schedules.entry import Entry
from headrace_operator.schedules.places import Place, Published
from headrace_operator.schedules.world import ScheduleWorld


class NotKnownYetError(HeadraceError):
    """Its WorkerQueue was not heard of, which may change in a moment: look again."""


@dataclass(frozen=True)
class Judged:
    """What is known before Redis is asked to do anything."""

    mistake: Verdict | None
    """None: it can fire."""
    recurrence: Recurrence | None = None
    place: Place | None = None
    """None: its queue can't be told."""
    unchecked: bool = False
    """No worker has ever published what its tasks are."""
    limit_key: str = ""
    """Of all jobs of the task, where its workers have published one."""


async def judge(schedule: Schedule, entry: Entry, world: ScheduleWorld) -> Judged:
    """Raises NotKnownYetError, and QueueUnavailableErrors of its Redis. The first mistake of several is told."""
    spec = schedule.spec
    timing = read_timing(spec)
    queue = _queue(schedule, world)
    if isinstance(queue, Verdict):
        return Judged(timing if isinstance(timing, Verdict) else queue)
    place = await _place(schedule, queue, world)
    if isinstance(place, Verdict):
        return Judged(timing if isinstance(timing, Verdict) else place)
    entry.move(place)
    if isinstance(timing, Verdict):
        return Judged(timing, place=place)
    published = await world.places.published(place, entry.key)
    limit_key = limit_key_of(published.get(spec.task))
    return Judged(_task(spec, queue, published), timing, place, unchecked=not published, limit_key=limit_key)


def _queue(schedule: Schedule, world: ScheduleWorld) -> str | Verdict:
    key = QueueKey(schedule.metadata.namespace, schedule.spec.worker_queue)
    found = world.queues.get(key)
    if found is None and not world.settled():
        raise NotKnownYetError(f"WorkerQueue {key} has not been heard of yet")
    return find_queue(schedule.spec, found)


async def _place(schedule: Schedule, queue: str, world: ScheduleWorld) -> Place | Verdict:
    found = world.queues[QueueKey(schedule.metadata.namespace, schedule.spec.worker_queue)]
    try:
        target = await world.addresses.find(found)
    except HeadraceError as error:
        return Verdict(ScheduleReason.REDIS_UNAVAILABLE, explain(error).message)
    return Place(target, queue, schedule.metadata.uid)


def _task(spec: ScheduleSpec, queue: str, published: Published) -> Verdict | None:
    unknown = find_task(spec, queue, published)
    if unknown is not None or not published:
        return unknown
    schema = published[spec.task]
    if not isinstance(schema, Mapping) or schema.get("type") != "object":
        return None  # positional-only parameters, or none described: the worker checks
    if not isinstance(schema.get("properties", {}), Mapping):
        return None
    try:
        named = named_arguments(schema, spec.task, spec.args, spec.kwargs)
    except PayloadError as error:
        return Verdict(ScheduleReason.INVALID_PAYLOAD, str(error))
    return judge_arguments(schema, spec.task, named)
