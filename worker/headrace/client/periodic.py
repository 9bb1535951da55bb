"""What makes a task periodic: its schedule and how late a tick may run. Planning the ticks is the workers' matter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from headrace.client.schedule import Schedule
from headrace.errors import ConfigError

if TYPE_CHECKING:
    from headrace.client.task import Task

DEADLINE: Final = 24 * 3600.0
"""Seconds. A daily task missed by a short night's outage still runs, one missed last week does not."""


@dataclass(frozen=True)
class Periodic:
    """A task and when it is due."""

    task: Task[Any, Any]
    schedule: Schedule
    deadline_ms: int


def make_periodic(task: Task[Any, Any], schedule: Schedule, deadline: float) -> Periodic:
    """Raises ConfigError: a tick has no arguments to give."""
    if needed := task.arguments.required:
        raise ConfigError(
            f"task {task.name}: a periodic task is called without arguments, but {needed[0]!r} has no default"
        )
    if not 0 <= deadline <= 366 * 24 * 3600:
        raise ConfigError(f"task {task.name}: deadline must be 0 to 366 days of seconds, got {deadline:g}")
    return Periodic(task, schedule, round(deadline * 1000))
