"""Which queues in Redis a WorkerQueue follows and owns. A queue belongs to one WorkerQueue (K21)."""

from __future__ import annotations

from headrace.contract.stats import QueueStats
from headrace.errors import HeadraceError
from headrace_operator.core.observation import Unavailable
from headrace_operator.reconcile.record import Record
from headrace_operator.reconcile.trouble import explain
from headrace_operator.reconcile.world import World


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
    if before is not None and (before is not watch or were != wanted):
        dropped = were if before is not watch else tuple(name for name in were if name not in wanted)
        await _give_up(record, world, dropped)
    record.watch, record.followed = watch, wanted
    for name in wanted:
        watch.follow(name, record.key, record.wake.set)
    await watch.first_look(wanted)
    return None


async def claim(record: Record, world: World) -> str | None:
    """Claim the queues that nobody owns; the other owner of one of them, or None while all are ours.

    Raises QueueUnavailableError.
    """
    watch, own = record.watch, world.owner(record.key)
    if watch is None:
        return None
    for name in record.followed:
        stats = watch.reading(name).stats
        if not isinstance(stats, QueueStats):
            continue
        owner = stats.owner or await watch.admin(name).control.claim_ownership(own)
        if owner != own:
            return owner
    return None


async def release(record: Record, world: World) -> None:
    """Give up every queue of a WorkerQueue that is no more. Raises QueueUnavailableError; then call again."""
    await _give_up(record, world, record.followed)
    record.watch, record.followed = None, ()
    world.watches.close_unused()


async def _give_up(record: Record, world: World, names: tuple[str, ...]) -> None:
    watch = record.watch
    if watch is None:
        return
    for name in names:
        await watch.admin(name).control.release_ownership(world.owner(record.key))
    for name in names:
        watch.leave(name, record.key)
