"""A worker as a scale-in sees it: what its runtime says, and what Redis says, in one value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from headrace.contract.stats import QueueStats, WorkerPresence
from headrace_operator.seams.runtime import WorkerPhase, WorkerState


@dataclass(frozen=True)
class Member:
    """A worker that isn't on its way out."""

    id: str
    version: str
    ready: bool
    started: float
    """Unix time in seconds."""
    aimed: bool = False
    """Seen as the first to be chosen."""
    joined: bool = True
    """Redis knows it on every queue."""
    sessions: int = 0
    """On all queues together; more than one a queue after a restart."""
    cordoned: int = 0
    """Sessions that get no more jobs."""
    leases: int = 0
    """Jobs in hand, on all queues together."""

    @property
    def may_go(self) -> bool:
        """It holds no job and can't get one. A worker that isn't ready need not have come to Redis at all."""
        return self.leases == 0 and self.cordoned == self.sessions and (self.joined or not self.ready)


def members(workers: Iterable[WorkerState], stats: Sequence[QueueStats]) -> tuple[Member, ...]:
    """Those of `workers` that live, with their sessions on all queues, each read at one and the same time."""
    by_worker: dict[str, list[WorkerPresence]] = {}
    queues: dict[str, int] = {}
    for one in stats:
        for session in one.workers:
            by_worker.setdefault(session.worker, []).append(session)
        for name in {session.worker for session in one.workers}:
            queues[name] = queues.get(name, 0) + 1
    return tuple(
        _member(worker, by_worker.get(worker.id, ()), joined=queues.get(worker.id, 0) == len(stats))
        for worker in workers
        if worker.phase is not WorkerPhase.TERMINATING
    )


def sessions(worker_ids: Iterable[str], stats: Mapping[str, QueueStats]) -> dict[str, dict[str, str]]:
    """Queue → session → worker, for these workers."""
    wanted = set(worker_ids)
    return {
        name: {session.sid: session.worker for session in one.workers if session.worker in wanted}
        for name, one in stats.items()
    }


def _member(worker: WorkerState, found: Sequence[WorkerPresence], *, joined: bool) -> Member:
    return Member(
        id=worker.id,
        version=worker.version,
        ready=worker.phase is WorkerPhase.READY,
        started=worker.started,
        aimed=worker.aimed,
        joined=joined,
        sessions=len(found),
        cordoned=sum(session.cordoned for session in found),
        leases=sum(session.leases for session in found),
    )
