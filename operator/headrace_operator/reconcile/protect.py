"""Keeps those who clear nodes within bounds: marks workers in the middle of long jobs, limits how many may go at once.

It is a courtesy to others' controllers and no part of the drain's promise, so its failures hold up nothing else.
"""

from __future__ import annotations

import logging

from headrace.errors import HeadraceError
from headrace_operator.core import protection
from headrace_operator.core.observation import Observation, Unavailable
from headrace_operator.reconcile.observe import known
from headrace_operator.reconcile.record import Record
from headrace_operator.reconcile.world import World

log = logging.getLogger(__name__)


async def protect(seen: Observation, record: Record, world: World) -> None:
    """Make marks and limit what they should be now. What can't be done is tried again at the next look."""
    disruption = record.spec.disruption
    try:
        await world.runtime.limit_disruption(
            record.key, disruption.max_unavailable if disruption.pod_disruption_budget else None
        )
        if isinstance(seen.stats, Unavailable):
            return
        stats = known(record).values()
        wanted = protection.protect(seen.workers, stats, disruption.protect_after_seconds)
        if wanted is not None:
            await world.runtime.protect(record.key, wanted.workers)
    except HeadraceError as error:
        _complain(record, str(error))
    else:
        record.unprotected = None


def _complain(record: Record, why: str) -> None:
    """Once for each reason, not with every look."""
    if why != record.unprotected:
        log.warning("%s: its workers are not protected as they should be: %s", record.key, why)
    record.unprotected = why
