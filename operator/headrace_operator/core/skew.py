"""Whether this operator understands what a queue's workers write: protocols may differ by SKEW. Pure.

What it may not understand it must not act on: such a queue's numbers are unknown, so its fleet stays as it is. The rule
and its reasons are in docs/decisions/0010.
"""

from __future__ import annotations

from headrace.contract.protocol import PROTOCOL, SKEW
from headrace.contract.stats import QueueStats, WorkerPresence
from headrace_operator.core.observation import Unavailable, Unknown


def mismatch(stats: QueueStats, *, own: int = PROTOCOL) -> Unavailable | None:
    """Who must be upgraded before a protocol `own` can work with this queue; None if it can now."""
    newest = max(stats.workers, key=lambda worker: worker.protocol, default=None)
    if newest is not None and newest.protocol > own:
        return _upgrade_operator(f"worker {newest.worker} speaks protocol {newest.protocol}", stats.queue, own)
    if stats.protocol > own:
        return _upgrade_operator(f"a worker of protocol {stats.protocol} has written there", stats.queue, own)
    if stats.least_protocol > own:
        return _upgrade_operator(f"it takes protocol {stats.least_protocol} or newer", stats.queue, own)
    oldest = min(stats.workers, key=lambda worker: worker.protocol, default=None)
    if oldest is not None and oldest.protocol < own - SKEW:
        return _upgrade_worker(oldest, stats.queue, own)
    return None


def _upgrade_operator(what: str, queue: str, own: int) -> Unavailable:
    message = f"queue {queue}: {what}, this operator understands {own} at most; upgrade the operator"
    return Unavailable(Unknown.PROTOCOL_MISMATCH, message)


def _upgrade_worker(worker: WorkerPresence, queue: str, own: int) -> Unavailable:
    message = (
        f"queue {queue}: worker {worker.worker} speaks protocol {worker.protocol}, this operator works with "
        f"{own - SKEW} and newer; upgrade headrace in the worker's image, and set spec.replicas to 0 until all such "
        "workers have ended"
    )
    return Unavailable(Unknown.PROTOCOL_MISMATCH, message)
