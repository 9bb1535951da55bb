"""Which workers nobody should disturb: those in the middle of a long job. Pure.

Those who clear nodes to save money (Karpenter, the cluster autoscaler) are kept from such a worker until the job has
ended. Short jobs must not hold up consolidation: a worker that is taken away drains, and they end in time.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from headrace.contract.stats import QueueStats, WorkerPresence
from headrace_operator.seams.runtime import WorkerPhase, WorkerState


@dataclass(frozen=True)
class Protection:
    """The workers to mark; all others are to be unmarked."""

    workers: frozenset[str]
    reason: str
    """One line."""


def protect(workers: Sequence[WorkerState], stats: Collection[QueueStats], after: float) -> Protection | None:
    """Who is to be marked; None while a queue's numbers are missing: then every mark stays as it is.

    `stats` of all queues that these workers serve. `after`: seconds that a job must have run. A worker that tells no
    times, because it is too old, is never marked; neither is one that is on its way out already.
    """
    if not stats:
        return None
    staying = {worker.id for worker in workers if worker.phase is not WorkerPhase.TERMINATING}
    presences = [worker for one in stats for worker in one.workers]
    marked = frozenset(one.worker for one in presences if one.worker in staying and _is_long_busy(one, after))
    noun = "worker has" if len(marked) == 1 else "workers have"
    return Protection(marked, f"{len(marked)} {noun} a job that has run for {after:g} s or more")


def _is_long_busy(worker: WorkerPresence, after: float) -> bool:
    """Its leases are Redis's own count, so an idle worker is known at once, before its next sign of life."""
    return worker.leases > 0 and worker.busy_ms is not None and worker.busy_ms >= after * 1000
