"""Keeps those who clear nodes within bounds: marks workers in the middle of long jobs, limits how many may go at once.

It is a courtesy to others' controllers and no part of the drain's promise, so its failures hold up nothing else.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable

from headrace.errors import HeadraceError
from headrace_operator.core import protection
from headrace_operator.core.observation import Observation, Unavailable
from headrace_operator.reconcile.observe import known
from headrace_operator.reconcile.record import Record
from headrace_operator.reconcile.world import World

log = logging.getLogger(__name__)


async def protect(seen: Observation, record: Record, world: World) -> None:
    """Make marks and limit what they should be now. What can't be done is tried again at the next look."""
    # The right to one of them may be missing, or its name be taken: that is no reason to leave the other as it is.
    failures = await _try(_limit(record, world)), await _try(_mark(seen, record, world))
    _complain(record, "; ".join(dict.fromkeys(filter(None, failures))))


async def _limit(record: Record, world: World) -> None:
    disruption = record.spec.disruption
    most = disruption.max_unavailable if disruption.pod_disruption_budget else None
    await world.runtime.limit_disruption(record.key, most)


async def _mark(seen: Observation, record: Record, world: World) -> None:
    if isinstance(seen.stats, Unavailable):
        return
    stats = known(record).values()
    wanted = protection.protect(seen.workers, stats, record.spec.disruption.protect_after_seconds)
    if wanted is not None:
        await world.runtime.protect(record.key, wanted.workers)


async def _try(work: Awaitable[None]) -> str:
    """Why it could not be done; empty if it was."""
    try:
        await work
    except HeadraceError as error:
        return str(error)
    return ""


def _complain(record: Record, why: str) -> None:
    """Once for each reason, not with every look."""
    if why and why != record.unprotected:
        log.warning("%s: its workers are not protected as they should be: %s", record.key, why)
    record.unprotected = why
