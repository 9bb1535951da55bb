"""What there is to show of a running dev: each WorkerQueue's last status, and the last lines. Shows nothing itself."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from headrace_operator.api.names import QueueKey, ScheduleKey
from headrace_operator.api.schedule_status import ScheduleStatus
from headrace_operator.api.status import WorkerQueueStatus
from headrace_operator.core.conditions import ConditionType, condition
from headrace_operator.reconcile.listener import Listener
from headrace_operator.reconcile.replay_run import FINAL
from headrace_operator.seams.objects import EventKind

LINES_KEPT = 40


@dataclass(frozen=True)
class Line:
    """Something that happened."""

    at: float
    """Unix time in seconds."""
    source: str
    """A WorkerQueue, a worker, or dev itself."""
    text: str
    warning: bool = False


@dataclass
class Board(Listener):
    """Filled by callbacks in the loop's thread."""

    redis: str = ""
    """Where the jobs are, without password."""
    statuses: dict[QueueKey, WorkerQueueStatus] = field(default_factory=dict)
    schedules: dict[ScheduleKey, ScheduleStatus] = field(default_factory=dict)
    events: deque[Line] = field(default_factory=lambda: deque(maxlen=LINES_KEPT))
    output: deque[Line] = field(default_factory=lambda: deque(maxlen=LINES_KEPT))
    """What workers print."""
    on_event: Callable[[Line], None] = lambda _line: None
    on_output: Callable[[Line], None] = lambda _line: None
    on_status: Callable[[], None] = lambda: None
    stopping: bool = False
    worked: bool = False
    """There was work since the start."""

    def status(self, key: QueueKey, status: WorkerQueueStatus) -> None:
        """A status, written or not."""
        self.statuses[key] = status
        self.worked |= status.replicas > 0
        self.on_status()

    def scheduled(self, key: ScheduleKey, status: ScheduleStatus) -> None:
        """The status of a Schedule, written or not."""
        self.schedules[key] = status

    def event(self, key: QueueKey, kind: EventKind, reason: str, message: str) -> None:
        """A transition."""
        self._happened(Line(time.time(), key.name, f"{reason}: {message}", kind is EventKind.WARNING))

    def say(self, text: str, *, warning: bool = False) -> None:
        """Something about dev itself."""
        self._happened(Line(time.time(), "dev", text, warning))

    def printed(self, key: QueueKey, worker: str, text: str) -> None:
        """A worker's line."""
        line = Line(time.time(), f"{key.name}#{worker.rpartition('-')[2]}", text)
        self.output.append(line)
        self.on_output(line)

    def forget(self, keys: set[QueueKey], schedules: set[ScheduleKey]) -> None:
        """Keep only these."""
        for key in set(self.statuses) - keys:
            del self.statuses[key]
        for key in set(self.schedules) - schedules:
            del self.schedules[key]

    @property
    def idle(self) -> bool:
        """There was work, and now there is none, nor any worker."""
        return self.worked and bool(self.statuses) and all(is_idle(status) for status in self.statuses.values())

    def log_handler(self) -> logging.Handler:
        """Takes the operator's own log lines, which would spoil a screen."""
        return _BoardLog(self)

    def _happened(self, line: Line) -> None:
        self.events.append(line)
        self.on_event(line)


class _BoardLog(logging.Handler):
    def __init__(self, board: Board) -> None:
        super().__init__(logging.WARNING)
        self._board = board

    def emit(self, record: logging.LogRecord) -> None:
        """See logging.Handler; a traceback stays in its own lines."""
        for line in self.format(record).splitlines():
            self._board.say(line, warning=True)


def is_idle(status: WorkerQueueStatus) -> bool:
    """No job to run now or later, no worker, no replay; known, not assumed."""
    redis = condition(status, ConditionType.REDIS_AVAILABLE)
    if status.queue is None or redis is None or redis.status != "True":
        return False
    jobs = status.queue.ready + status.queue.leased + status.queue.scheduled
    workers = sum(version.desired + version.terminating for version in status.versions)
    replaying = status.replay is not None and status.replay.phase not in FINAL
    return jobs == 0 and workers == 0 and not replaying
