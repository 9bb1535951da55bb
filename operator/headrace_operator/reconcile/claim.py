"""Which queues in Redis a WorkerQueue follows and owns. A queue belongs to one WorkerQueue (K21)."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from headrace.contract.stats import QueueStats
from headrace.errors import HeadraceError
from headrace_operator.core.observation import Unavailable
from headrace_operator.reconcile.record import Record
from headrace_operator.reconcile.redis_watch import RedisWatch
from headrace_operator.reconcile.trouble import explain
from headrace_operator.reconcile.world import World

log = logging.getLogger(__name__)


async def follow(record: Record, world: World) -> Unavailable | None:
    """Watch the Redis and the queues that the spec names, and no longer those it named before.

    The reason when that Redis can't even be named.
    """
    assert record.queue is not None
    try:
        watch = world.watches.open(await world.addresses.find(record.queue))
    except HeadraceError as error:
        return explain(error)
    wanted = tuple(queue.name for queue in record.spec.queues)
    before, were = record.watch, record.followed
    if before is not watch:
        record.claimed.clear()
    record.watch, record.followed = watch, wanted
    for name in wanted:
        watch.follow(name, record.key, record.wake.set)
    if before is not None and before is not watch:
        await _drop(record, world, before, were)
    elif before is not None:
        await _drop(record, world, before, [name for name in were if name not in wanted])
    await watch.first_look(wanted)
    return None


async def _drop(record: Record, world: World, watch: RedisWatch, names: Sequence[str]) -> None:
    """Give up queues that the spec names no more; a Redis that is no more must not keep the fleet from the next one."""
    try:
        await _give_up(record, world, watch, names)
    except HeadraceError as error:
        log.warning("%s: %s stay claimed at the Redis used before: %s", record.key, ", ".join(names), error)
        for name in names:
            watch.leave(name, record.key)
    world.watches.close_unused()


async def claim(record: Record, world: World) -> str | None:
    """Claim the queues that nobody else owns, and claim ours again before that lapses.

    The other owner of one of them, or None while all are ours.

    Raises QueueUnavailableError.
    """
    watch, own = record.watch, world.owner(record.key)
    if watch is None:
        return None
    for name in record.followed:
        stats = watch.reading(name).stats
        if not isinstance(stats, QueueStats):
            continue
        owner = stats.owner or own
        due = world.now() - record.claimed.get(name, 0.0) >= world.settings.claim_again
        if stats.owner is None or (owner == own and due):
            owner = await watch.admin(name).control.claim_ownership(own)
            record.claimed[name] = world.now()
        if owner != own:
            record.claimed.pop(name, None)
            return owner
    return None


async def release(record: Record, world: World) -> None:
    """Give up every queue of a WorkerQueue that is no more. Raises QueueUnavailableError; then call again."""
    if record.watch is not None:
        await _give_up(record, world, record.watch, record.followed)
    record.watch, record.followed = None, ()
    world.watches.close_unused()


async def _give_up(record: Record, world: World, watch: RedisWatch, names: Sequence[str]) -> None:
    for name in names:
        record.claimed.pop(name, None)
        await watch.admin(name).control.release_ownership(world.owner(record.key))
    for name in names:
        watch.leave(name, record.key)
