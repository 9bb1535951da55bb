"""Whether a Schedule can fire, and if not, what is to be mended. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from headrace.admin.schema_check import find_problem
from headrace.errors import ConfigError
from headrace_operator.api.schedule_spec import ScheduleSpec
from headrace_operator.api.worker_queue import WorkerQueue
from headrace_operator.core.recurrence import Recurrence, parse


class ScheduleReason(StrEnum):
    """Why the condition Ready of a Schedule has its status."""

    SCHEDULED = "Scheduled"
    """Ready: it fires at its times."""
    SUSPENDED = "Suspended"
    """Ready: all is well, and nothing fires while spec.suspend is true."""
    INVALID_SPEC = "InvalidSpec"
    """A field makes no sense; where no API server keeps that out."""
    INVALID_CRON = "InvalidCron"
    UNKNOWN_TIME_ZONE = "UnknownTimeZone"
    WORKER_QUEUE_NOT_FOUND = "WorkerQueueNotFound"
    """There is no such WorkerQueue in the namespace."""
    QUEUE_NOT_FOUND = "QueueNotFound"
    """That WorkerQueue serves no such queue."""
    UNKNOWN_TASK = "UnknownTask"
    """Its workers know no such task."""
    INVALID_PAYLOAD = "InvalidPayload"
    """The arguments don't fit the task."""
    REDIS_UNAVAILABLE = "RedisUnavailable"
    """Whatever fell due fires afterwards, as spec.catchUp says."""
    PROTOCOL_MISMATCH = "ProtocolMismatch"
    """A worker is too old for the limit that the task's other workers hold it to; the tick is tried again."""
    QUEUE_FULL = "QueueFull"
    """The queue, or Redis, takes no more jobs; the tick is tried again."""


_PASSING: Final = (ScheduleReason.REDIS_UNAVAILABLE, ScheduleReason.QUEUE_FULL, ScheduleReason.PROTOCOL_MISMATCH)


@dataclass(frozen=True)
class Verdict:
    """What the condition says."""

    reason: ScheduleReason
    message: str

    @property
    def ready(self) -> bool:
        """Nothing is to be mended."""
        return self.reason in (ScheduleReason.SCHEDULED, ScheduleReason.SUSPENDED)

    @property
    def passing(self) -> bool:
        """Nothing is wrong with the Schedule: what was to be done is tried again soon."""
        return self.reason in _PASSING


def read_timing(spec: ScheduleSpec) -> Recurrence | Verdict:
    """When it is due."""
    try:
        parse(spec.cron)
    except ConfigError as error:
        return Verdict(ScheduleReason.INVALID_CRON, f"spec.cron: {error}")
    try:
        return parse(spec.cron, spec.time_zone)
    except ConfigError as error:
        return Verdict(ScheduleReason.UNKNOWN_TIME_ZONE, f"spec.timeZone: {error}")


def find_queue(spec: ScheduleSpec, found: WorkerQueue | None) -> str | Verdict:
    """The queue in Redis that its jobs go to; `found` is the WorkerQueue that it names."""
    if found is None:
        message = f"spec.workerQueue: there is no WorkerQueue {spec.worker_queue} in this namespace"
        return Verdict(ScheduleReason.WORKER_QUEUE_NOT_FOUND, message)
    served = [queue.name for queue in found.spec.queues]
    if spec.queue is None:
        return served[0]
    if spec.queue not in served:
        message = f"spec.queue: WorkerQueue {spec.worker_queue} serves no queue {spec.queue}, but {', '.join(served)}"
        return Verdict(ScheduleReason.QUEUE_NOT_FOUND, message)
    return spec.queue


def find_task(spec: ScheduleSpec, queue: str, schemas: Mapping[str, Mapping[str, Any]]) -> Verdict | None:
    """None if the workers know the task, or if none has ever said what it knows: then the job is for the first one."""
    if not schemas or spec.task in schemas:
        return None
    known = sorted(schemas)
    more = f" and {len(known) - 20} more" if len(known) > 20 else ""
    message = f"spec.task: the workers of queue {queue} know no task {spec.task!r}, but {', '.join(known[:20])}{more}"
    return Verdict(ScheduleReason.UNKNOWN_TASK, message)


def judge_arguments(schema: Mapping[str, Any], task: str, named: Mapping[str, Any]) -> Verdict | None:
    """None if they fit, as far as the schema tells."""
    problem = find_problem(schema, named)
    if problem is None:
        return None
    return Verdict(ScheduleReason.INVALID_PAYLOAD, f"arguments of task {task}: {problem}")
