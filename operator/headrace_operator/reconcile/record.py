"""What the loop remembers of one WorkerQueue between reconciles. Everything in it can be lost and found again."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from headrace_operator.api.names import PAUSED_ANNOTATION, QueueKey
from headrace_operator.api.spec import WorkerQueueSpec
from headrace_operator.api.status import WorkerQueueStatus
from headrace_operator.api.worker_queue import WorkerQueue
from headrace_operator.core.conditions import ConditionReason, ConditionType, condition
from headrace_operator.core.history import History
from headrace_operator.core.scale_in import Memory
from headrace_operator.core.symptoms import Recent
from headrace_operator.reconcile.redis_watch import RedisWatch
from headrace_operator.reconcile.replay_run import ReplayRun
from headrace_operator.seams.objects import Applied, Change, Deleted, Refused


@dataclass(frozen=True)
class Refusal:
    """The runtime won't have this version."""

    version: str
    message: str
    """Why, in one line."""
    time: float
    """When it said so, Unix seconds."""


@dataclass(eq=False)
class Record:
    """Mutable, by its own WorkerQueue's task alone; callbacks only leave `hear` and `wake` behind."""

    key: QueueKey
    queue: WorkerQueue | None = None
    """The last one that could be understood."""
    refused: Refused | None = None
    """Set while what stands there can't be."""
    deleted: bool = False
    resource_version: str = ""
    history: History | None = None
    status: WorkerQueueStatus | None = None
    """The last one, written or not."""
    written: WorkerQueueStatus | None = None
    written_at: float | None = None
    """Unix time; None: not by us."""
    watch: RedisWatch | None = None
    followed: tuple[str, ...] = ()
    """Queues that `watch` reads for it."""
    claimed: dict[str, float] = field(default_factory=dict)
    """Queue → when it was last claimed, Unix seconds."""
    workers_seen: set[str] = field(default_factory=set)
    """Worker ids that the runtime has shown; one that is missing later is really gone."""
    unprotected: str = ""
    """Why its workers can't be protected from those who clear nodes, as last complained of; empty if they can."""
    paused_by_spec: bool = False
    """Its queues were paused because a spec said so, and not resumed since."""
    refusal: Refusal | None = None
    scale_in: Memory = field(default_factory=Memory)
    recent: Recent = field(default_factory=Recent)
    """What its breaker goes by."""
    replay: ReplayRun | None = None
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    _news: list[Change] = field(default_factory=list)

    def hear(self, change: Change) -> None:
        """Note what Objects tells, for the next reconcile: one that is under way keeps to what it has seen."""
        if isinstance(change, Applied):
            self._news.clear()
        self._news.append(change)
        self.wake.set()

    @property
    def has_news(self) -> bool:
        """Something was told since the last `take_in`."""
        return bool(self._news)

    def take_in(self) -> None:
        """Make what was told the state of things."""
        for change in self._news:
            match change:
                case Applied(queue):
                    if self.deleted or (self.queue is None and self.status is None):
                        self._begin(queue.status)
                    self.queue, self.refused, self.deleted = _effective(queue), None, False
                    self.resource_version = queue.metadata.resource_version
                case Refused(resource_version=version):
                    self.refused, self.deleted = change, False
                    self.resource_version = version
                case Deleted():
                    self.deleted = True
        self._news.clear()

    def _begin(self, status: WorkerQueueStatus | None) -> None:
        """A WorkerQueue that is new to this operator, or that was deleted and made again."""
        self.history, self.written_at, self.recent = None, None, Recent()
        self.status = self.written = status
        paused = condition(status, ConditionType.PAUSED)
        self.paused_by_spec = paused is not None and paused.reason == ConditionReason.PAUSED_BY_SPEC

    @property
    def spec(self) -> WorkerQueueSpec:
        """The spec in force. Only where `queue` is known."""
        assert self.queue is not None
        return self.queue.spec


def _effective(queue: WorkerQueue) -> WorkerQueue:
    """The queue with its pause annotation taken into its spec."""
    if queue.metadata.annotations.get(PAUSED_ANNOTATION) != "true":
        return queue
    return queue.model_copy(update={"spec": queue.spec.model_copy(update={"paused": True})})
