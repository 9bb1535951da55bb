"""What can break, one function each: called once the load flows, returns when the fault is over."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from faults.world import Setting, World
from headrace import Durability
from headrace.contract.keys import prefix
from headrace.contract.protocol import CRASH_LIMIT
from headrace.wire.routing import slot_of
from support.apps import load
from support.cluster_group import ClusterGroup
from support.polling import eventually
from support.sentinel_group import SentinelGroup
from support.server_talk import ask
from support.servers import RedisServer
from support.wire_proxy import Faults

SLOT = slot_of(prefix("jobs"))
COMPANY = 40
MEMORY = 128 * 2**20
REPLICATED = Setting(topology=SentinelGroup, durability=Durability.REPLICATED)


@dataclass(frozen=True)
class Fault:
    """`inject` breaks it and waits until it is whole again."""

    name: str
    inject: Callable[[World], Awaitable[None]]
    setting: Setting
    losses: int = 0
    """Sessions that it ends with jobs in hand. Each may make twice its slots run again, see `trial.most_repeats`."""
    out_of_memory: int = 0
    """Workers among them that the kernel kills, because one job wants more than they may have."""
    may_forget: bool = False
    """Redis itself may forget the last moments, so jobs run again that had run, as many as they were."""
    makes_stale: bool = False
    """A worker comes back with results that nobody wants any more. In most runs it offers them and Redis refuses and
    counts them; in some its renewal hears first that the lease is gone, and it drops them itself."""


async def _kill_worker(world: World) -> None:
    victim = world.random.choice(world.workers)
    victim.kill()
    await world.start_worker()


async def _kill_workers_in_turn(world: World) -> None:
    """One short of the crash limit, which buries."""
    for _ in range(CRASH_LIMIT - 1):
        await _kill_worker(world)
        await asyncio.sleep(world.random.uniform(0, 0.5))


async def _run_out_of_memory(world: World) -> None:
    """A job that takes all memory, so that the kernel kills its worker in the middle of it, each time, until it is
    buried. More jobs come after each death, so that all of them have company.
    """
    task = world.random.choice((load.in_loop, load.in_thread))
    world.jobs[(await task.enqueue("greedy", 0)).id] = "greedy"
    for deaths in range(1, CRASH_LIMIT + 1):
        await _fallen(world, deaths)  # in all: the next may come before the last one's successor runs
        await asyncio.gather(world.start_worker(), world.produce(COMPANY))


async def _fallen(world: World, count: int) -> None:
    """So many workers have ended."""
    await eventually(lambda: sum(not worker.running for worker in world.workers) >= count, within=60)


async def _freeze_worker(world: World) -> None:
    victim = world.random.choice(world.workers)
    victim.process.send_signal(19)
    await _expired(world)
    victim.process.send_signal(18)


async def _expired(world: World) -> None:
    """The frozen worker's session is gone."""

    async def one_left() -> bool:
        seen = await world.stats()
        return len(seen.workers) == 1

    await eventually(one_left, within=15)


async def _stop_redis(world: World) -> None:
    await asyncio.to_thread(world.redis.stop)
    await asyncio.sleep(world.random.uniform(0, 0.5))
    await asyncio.to_thread(world.redis.start)


async def _kill_redis(world: World) -> None:
    await asyncio.to_thread(world.redis.kill)
    await asyncio.sleep(world.random.uniform(0, 0.5))
    await asyncio.to_thread(world.redis.start)


async def _cut_wires(world: World) -> None:
    for _ in range(5):
        world.proxy.cut_all()
        await asyncio.sleep(world.random.uniform(0.05, 0.4))


async def _lose_replies(world: World) -> None:
    world.proxy.faults = Faults(drop_reply_every=world.random.randint(3, 15))
    await eventually(lambda: world.proxy.replies_lost >= 20, within=30)
    world.proxy.faults = Faults()


async def _lose_requests(world: World) -> None:
    world.proxy.faults = Faults(cut_request_every=world.random.randint(3, 15))
    await eventually(lambda: world.proxy.requests_lost >= 20, within=30)
    world.proxy.faults = Faults()


async def _kill_primary(world: World) -> None:
    """kill -9 of the queue's primary; it comes back as a replica of the one that took its place, and forgets what only
    it had.
    """
    victim = await asyncio.to_thread(world.group.primary_of, SLOT)
    victim.kill()
    await _replaced(world, victim)
    await asyncio.to_thread(victim.start)
    await asyncio.to_thread(world.group.wait_until_whole)


async def _freeze_primary(world: World) -> None:
    """It is silent until another has taken its place, and goes on as if it were the primary, until it is told."""
    victim = await asyncio.to_thread(world.group.primary_of, SLOT)
    victim.freeze()
    await _replaced(world, victim)
    victim.thaw()
    await asyncio.to_thread(world.group.wait_until_whole)


async def _replaced(world: World, primary: RedisServer) -> None:
    async def another() -> bool:
        return await asyncio.to_thread(world.group.primary_of, SLOT) is not primary

    await eventually(another, within=60, every=0.1)


async def _hand_over(world: World) -> None:
    """A planned failover; the old primary lives on as a replica, and says so to whoever still calls it."""
    group = world.group
    assert isinstance(group, SentinelGroup)
    before = await asyncio.to_thread(group.primary_of, SLOT)
    await asyncio.to_thread(ask, group.sentinels[0], "SENTINEL", "FAILOVER", group.master)
    await _replaced(world, before)
    await asyncio.to_thread(group.wait_until_whole)


ON_STREAMS = (
    "worker-killed",
    "workers-killed-in-turn",
    "worker-frozen",
    "redis-killed-fsync-always",
    "redis-killed-fsync-everysec",
    "replies-lost",
    "requests-lost",
    "sentinel-primary-killed",
)
"""Faults that jobs in Redis Streams have to outlive, too."""
_FAULTS = (
    Fault("worker-killed", _kill_worker, Setting(), losses=1),
    Fault("workers-killed-in-turn", _kill_workers_in_turn, Setting(lease="1s"), losses=CRASH_LIMIT - 1),
    Fault(
        "workers-out-of-memory",
        _run_out_of_memory,
        Setting(lease="1s", memory=MEMORY),
        losses=CRASH_LIMIT,
        out_of_memory=CRASH_LIMIT,
    ),
    Fault("worker-frozen", _freeze_worker, Setting(lease="1s"), losses=1, makes_stale=True),
    Fault("redis-stopped", _stop_redis, Setting(aof="everysec")),
    Fault("redis-killed-fsync-always", _kill_redis, Setting(aof="always")),
    Fault("redis-killed-fsync-everysec", _kill_redis, Setting(aof="everysec")),
    Fault("connections-cut", _cut_wires, Setting(through_proxy=True)),
    Fault("replies-lost", _lose_replies, Setting(through_proxy=True)),
    Fault("requests-lost", _lose_requests, Setting(through_proxy=True)),
    Fault("sentinel-primary-killed", _kill_primary, REPLICATED, may_forget=True),
    Fault("sentinel-primary-frozen", _freeze_primary, REPLICATED, may_forget=True),
    Fault("sentinel-hand-over", _hand_over, REPLICATED, may_forget=True),
    Fault("cluster-primary-killed", _kill_primary, replace(REPLICATED, topology=ClusterGroup), may_forget=True),
)


def _on_streams(fault: Fault) -> Fault:
    return replace(fault, name=f"streams-{fault.name}", setting=replace(fault.setting, streams=True))


CATALOGUE = {
    fault.name: fault for fault in (*_FAULTS, *(_on_streams(fault) for fault in _FAULTS if fault.name in ON_STREAMS))
}
