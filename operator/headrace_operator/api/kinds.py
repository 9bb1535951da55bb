"""Our kinds of resources, each as one value: what it is called, how it is read, which annotation asks for something."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Generic

from headrace_operator.api import names
from headrace_operator.api.resource import R
from headrace_operator.api.schedule import Schedule, load_schedule, read_schedule
from headrace_operator.api.worker_queue import WorkerQueue, load_worker_queue, read_worker_queue


@dataclass(frozen=True)
class Kind(Generic[R]):
    """One kind."""

    name: str
    plural: str
    field: str
    """What a line of the log calls the object's key."""
    load: Callable[[object], R]
    """From a YAML document; raises ConfigError."""
    read: Callable[[dict[str, Any]], R]
    """From the API server's answer; raises ConfigError."""
    request: str
    """Annotation in which people ask for something that happens once …"""
    accepted: str
    """… and the one in which the operator notes the id under which it does it."""


WORKER_QUEUES: Final = Kind[WorkerQueue](
    names.KIND,
    names.PLURAL,
    "queue",
    load_worker_queue,
    read_worker_queue,
    names.REPLAY_ANNOTATION,
    names.REPLAY_ID_ANNOTATION,
)
SCHEDULES: Final = Kind[Schedule](
    names.SCHEDULE_KIND,
    names.SCHEDULE_PLURAL,
    "schedule",
    load_schedule,
    read_schedule,
    names.RUN_NOW_ANNOTATION,
    names.RUN_NOW_ID_ANNOTATION,
)
