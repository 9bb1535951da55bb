"""The ground on which faults are tried on a cluster: a fleet that has one worker for each job, four at most."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final

from e2e.load.app import GATE, QUEUE
from e2e.scenarios.servers import PASSWORD, USER
from e2e.scenarios.stage import NAME, Stage, scaling
from redis.asyncio import Redis

from code_index.ledger import Summary
from support.fleet_watch import FleetWatch
from support.kubectl import KubectlFailed

Json = dict[str, Any]
OPERATOR_CLIENTS: Final = ("headrace-operator", "headrace-signals")
COOLDOWN: Final = 2


@dataclass
class ClusterGround:
    """A Ground (see operator_faults.ground), and what its faults take hold of."""

    stage: Stage
    watch: FleetWatch
    redis: Redis
    """The queue's server by its way for outsiders, which no fault closes."""
    gates: Redis
    enqueued: int = 0
    cooldown: int = COOLDOWN

    async def apply(self) -> None:
        """The WorkerQueue."""
        quick = scaling(backlogPerReplica=1, cooldownSeconds=self.cooldown, stabilizationWindowSeconds=600)
        url = self.stage.redis.inside.replace("://", f"://{USER}:{PASSWORD}@")
        await self.stage.apply(redis={"url": url}, worker=self.stage.worker(concurrency=4), scaling=quick)

    async def condition(self, kind: str) -> Json:
        """See Ground."""
        with suppress(KubectlFailed):
            return await self.stage.kube.condition(NAME, kind)
        return {}

    async def cool_down_for(self, seconds: int) -> None:
        """See Ground."""
        self.cooldown = seconds
        await self.apply()

    async def enqueue(self, count: int) -> None:
        """See Ground."""
        await self.stage.producer.queue(QUEUE).tasks["nap"].enqueue_many([{"seconds": 0}] * count)
        self.enqueued += count

    async def hold(self, gate: str, count: int) -> None:
        """See Ground."""
        await self.stage.producer.queue(QUEUE).tasks["hold"].enqueue_many([{"gate": gate}] * count)
        self.enqueued += count

    async def open(self, gate: str) -> None:
        """See Ground."""
        await self.gates.set(f"{GATE}{gate}", "1")

    async def ledger(self) -> Summary:
        """See Ground."""
        return await self.stage.book.summary()

    async def let_in(self, password: str) -> None:
        """The password of fleet and operator from now on; who is logged in is thrown out."""
        await self.redis.acl_setuser(
            USER, enabled=True, reset_passwords=True, passwords=[f"+{password}"], keys=["*"], channels=["*"],
            categories=["+@all"],
        )  # fmt: skip
        await self.redis.client_kill_filter(_type=None, user=USER)

    async def cut_operators(self) -> None:
        """Break off the operators' connections to Redis."""
        for client in await self.redis.client_list():
            if client["name"] in OPERATOR_CLIENTS:
                await self.redis.client_kill_filter(_id=client["id"])

    async def server(self) -> Json:
        """The queue's Redis pod."""
        [pod] = await self.stage.kube.objects("pods", "-l=app=redis", "--field-selector=status.phase=Running")
        return pod

    async def leader(self) -> Json:
        """The operator's pod that holds the Lease, once another one stands by: a kubelet lets a crashed one wait."""
        await self.stage.kube.do("rollout", "status", "deployment", "headrace", "--timeout=120s")
        lease = await self.stage.kube.get("lease", "headrace")
        return await self.stage.kube.get("pod", lease["spec"]["holderIdentity"].rpartition("_")[0])


@asynccontextmanager
async def cluster_ground(stage: Stage) -> AsyncIterator[ClusterGround]:
    """`stage` has two operators."""
    redis = Redis.from_url(stage.redis.outside, socket_timeout=10, decode_responses=True)
    gates = Redis.from_url(stage.ledger.outside, socket_timeout=10)
    stage.book.turn()
    try:
        async with FleetWatch(stage.cluster.kubeconfig, stage.kube.namespace) as watch:
            ground = ClusterGround(stage, watch, redis, gates)
            await ground.apply()
            yield ground
    finally:
        await redis.aclose()
        await gates.aclose()
