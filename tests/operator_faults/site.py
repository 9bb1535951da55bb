"""The ground on one machine: live_fleet with two operators, a Redis behind a service's address and name, a replica.

The operators' resolver is their own, so their DNS can fail alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from code_index.ledger import Summary
from support.fleet_watch import FleetWatch
from support.kubectl import KubectlFailed
from support.live_fleet import QUEUE, LiveFleet, Surroundings, scaling
from support.operator_pod import OperatorPod
from support.operator_process import OperatorProcess
from support.own_names import OwnNames
from support.polling import eventually
from support.replication import command, hand_over
from support.servers import RedisServer
from support.service_proxy import ServiceProxy

HOST = "redis.fleet.test"
USER = "fleet"
PASSWORD = "the-right-one"
QUICK = {"backlogPerReplica": 1, "cooldownSeconds": 2, "stabilizationWindowSeconds": 600}
"""One worker for each job; none goes before all may."""


@dataclass
class Site:
    """A Ground, and the parts of it that can be broken."""

    fleet: LiveFleet
    watch: FleetWatch
    service: ServiceProxy
    names: OwnNames
    """As the operators know them."""
    pods: list[OperatorPod]
    redis: Redis
    """The server behind the service, reached without the service's name and users."""
    stand_in: RedisServer | None = None
    """The primary in the place of the first one."""
    enqueued: int = 0
    cooldown: int = field(default=QUICK["cooldownSeconds"])

    async def apply(self) -> None:
        """The WorkerQueue."""
        await self.fleet.kube.apply(self.fleet.manifest(scaling=scaling(**QUICK | {"cooldownSeconds": self.cooldown})))

    async def condition(self, kind: str) -> dict[str, Any]:
        """See Ground."""
        with suppress(KubectlFailed):
            return await self.fleet.kube.condition(QUEUE, kind)
        return {}

    async def cool_down_for(self, seconds: int) -> None:
        """See Ground."""
        self.cooldown = seconds
        await self.apply()

    async def enqueue(self, count: int) -> None:
        """See Ground."""
        await self.fleet.enqueue(count, 0)
        self.enqueued += count

    async def hold(self, gate: str, count: int) -> None:
        """See Ground."""
        await self.fleet.hold(gate, count)
        self.enqueued += count

    async def open(self, gate: str) -> None:
        """See Ground."""
        await self.fleet.open(gate)

    async def ledger(self) -> Summary:
        """See Ground."""
        return await self.fleet.ledger()

    async def leader(self) -> OperatorProcess:
        """The operator that holds the Lease."""

        async def holder() -> OperatorProcess | None:
            lease = await self.fleet.kube.get("lease", "headrace")
            name = (lease["spec"].get("holderIdentity") or "").rpartition("_")[0]
            return next((one for one in self.fleet.operators if one.name == name and one.running), None)

        found = await eventually(holder, within=30, every=0.2)
        assert found is not None
        return found

    async def serve_from(self, server: RedisServer) -> None:
        """Let the service point there."""
        self.service.upstream = server.port
        await self.cut()

    async def restore(self) -> None:
        """The first primary is the primary again, whatever a fault has left."""
        if self.stand_in is None:
            return
        stand_in, self.stand_in = self.stand_in, None
        await hand_over(stand_in, self.fleet.redis)
        await self.serve_from(self.fleet.redis)
        await asyncio.to_thread(stand_in.kill)

    async def cut(self) -> None:
        """Break off every connection through the service, ours included."""
        self.service.cut()
        await self.redis.connection_pool.disconnect()

    async def cut_operators(self) -> None:
        """Break off the operators' connections to Redis."""
        for client in await self.redis.client_list():
            if client["name"] in ("headrace-operator", "headrace-signals"):
                await self.redis.client_kill_filter(_id=client["id"])

    async def let_in(self, password: str) -> None:
        """The password of fleet and operator from now on, for those who log in anew; the others are thrown out."""
        rights = ("resetpass", f">{password}", "~*", "&*", "+@all", "on")
        await command(self.redis, "ACL", "SETUSER", USER, *rights)
        await command(self.redis, "CLIENT", "KILL", "USER", USER)


@asynccontextmanager
async def site(
    start_fleet: Callable[..., AbstractAsyncContextManager[LiveFleet]], folder: Path, kubeconfig: Path
) -> AsyncIterator[Site]:
    """`start_fleet` is live_fleet with all but its options given, `kubeconfig` the admin's."""
    async with AsyncExitStack() as stack:
        service = await stack.enter_async_context(ServiceProxy())
        names, pods_names = (OwnNames(folder / name, HOST) for name in ("operator-names", "pod-names"))
        url = f"redis://{USER}:{PASSWORD}@{HOST}:{service.port}/0"
        around = Surroundings(url, names.prefix, pods_names.prefix)
        fleet = await stack.enter_async_context(start_fleet(operators=2, surroundings=around))
        service.upstream = fleet.redis.port
        address = f"redis://127.0.0.1:{service.port}/0"
        fleet.producer.connect_to(address)
        redis = Redis.from_url(address, socket_timeout=10, decode_responses=True)
        stack.push_async_callback(redis.aclose)
        watch = await stack.enter_async_context(FleetWatch(kubeconfig, fleet.kube.namespace))
        pods = [OperatorPod(one) for one in fleet.operators]
        made = Site(fleet, watch, service, names, pods, redis)
        await made.let_in(PASSWORD)
        await made.apply()
        keeping = [asyncio.create_task(one.run()) for one in pods]
        try:
            yield made
        finally:
            if made.stand_in is not None:
                await asyncio.to_thread(made.stand_in.kill)
            for task in keeping:
                task.cancel()
            await asyncio.wait(keeping)
