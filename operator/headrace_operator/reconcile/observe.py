"""Looks: at the queues in Redis (as last read) and at the workers. Changes nothing."""

from __future__ import annotations

import asyncio

from headrace.contract.stats import QueueStats
from headrace_operator.core.observation import Observation, Stats, Unavailable, total
from headrace_operator.reconcile.reading import Reading
from headrace_operator.reconcile.record import Record
from headrace_operator.reconcile.world import World


async def observe(record: Record, world: World, unreachable: Unavailable | None, owned_by: str | None) -> Observation:
    """Everything that a decision is made from. Raises RuntimeUnavailableError."""
    found = readings(record)
    versions, workers = await asyncio.gather(world.runtime.versions(record.key), world.runtime.workers(record.key))
    by_reason: dict[str, int] = {}
    for reading in found.values():
        for reason, count in reading.dead_by_reason.items():
            by_reason[reason] = by_reason.get(reason, 0) + count
    return Observation(
        stats=unreachable or _total(found),
        versions=tuple(versions),
        target=world.version_of(record.spec),
        workers=tuple(workers),
        dead_by_reason=by_reason,
        owned_by=owned_by,
    )


def readings(record: Record) -> dict[str, Reading]:
    """What was last read of each of its queues."""
    return {name: record.watch.reading(name) for name in record.followed} if record.watch else {}


def known(record: Record) -> dict[str, QueueStats]:
    """The numbers of the queues that could be read."""
    stats = {name: reading.stats for name, reading in readings(record).items()}
    return {name: numbers for name, numbers in stats.items() if isinstance(numbers, QueueStats)}


def _total(found: dict[str, Reading]) -> Stats:
    return total([reading.stats for reading in found.values()])
