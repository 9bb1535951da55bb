"""The ground on which faults are tried on a cluster: a fleet that has one worker for each job, four at most."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final

from e2e.load.app import GATE, QUEUE
from e2e.scenarios.servers import PASSWORD, USER, service
from e2e.scenarios.stage import NAME, Stage, scaling
from redis.asyncio import Redis
from redis.exceptions import RedisError

from code_index.ledger import Summary
from support.fleet_watch import FleetWatch
from support.kube_client import until
from support.kubectl import KubectlFailed

Json = dict[str, Any]
OPERATOR_CLIENTS: Final = ("headrace-operator", "headrace-signals")
COOLDOWN: Final = 2
REDIS: Final = "redis"
"""The Service of the queue's server, and the server behind it unless a fault leaves another one there."""


@dataclass
class ClusterGround:
    """A Ground (see operator_faults.ground), and what its faults take hold of."""

    stage: Stage
    watch: FleetWatch
    redis: Redis
    """The queue's server by its way for outsiders, which no fault closes."""
    gates: Redis
    serving: str = REDIS
    """The server behind the Service."""
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

    async def server(self, name: str = REDIS) -> Json:
        """The pod of a Redis server."""
        [pod] = await self.stage.kube.objects("pods", f"-l=app={name}", "--field-selector=status.phase=Running")
        return pod

    async def run_servers(self, count: int, name: str = REDIS) -> None:
        """Let so many pods (0 or 1) be behind a server's name, and wait until it is so."""
        kube = self.stage.kube

        async def so() -> bool:
            status = (await kube.get("deployment", name))["status"]
            pods = await kube.objects("pods", f"-l=app={name}")
            return bool(status.get("readyReplicas", 0) == count == len(pods))

        await kube.do("scale", "deployment", name, f"--replicas={count}")
        await until(so, seconds=60)

    async def serve_from(self, name: str, url: str) -> None:
        """Let the Service point to that server, and this machine's clients to its `url`."""
        await self.stage.kube.apply(service(REDIS, server=name))
        self.serving = name
        await self.redis.aclose()
        self.redis = outsider(url)
        await self.stage.producer.close()
        self.stage.producer.connect_to(url)

    async def close(self) -> None:
        """Close the clients."""
        await self.redis.aclose()
        await self.gates.aclose()

    async def leader(self) -> Json:
        """The operator's pod that holds the Lease, once another one stands by: a kubelet lets a crashed one wait."""
        await self.stage.kube.do("rollout", "status", "deployment", "headrace", "--timeout=120s")
        lease = await self.stage.kube.get("lease", "headrace")
        return await self.stage.kube.get("pod", lease["spec"]["holderIdentity"].rpartition("_")[0])


@asynccontextmanager
async def cluster_ground(stage: Stage) -> AsyncIterator[ClusterGround]:
    """`stage` has two operators."""
    gates = Redis.from_url(stage.ledger.outside, socket_timeout=10)
    stage.book.turn()
    async with FleetWatch(stage.cluster.kubeconfig, stage.kube.namespace) as watch:
        ground = ClusterGround(stage, watch, outsider(stage.redis.outside), gates)
        try:
            await ground.apply()
            yield ground
        finally:
            await ground.close()


def outsider(url: str) -> Redis:
    """A client on this machine."""
    return Redis.from_url(url, socket_timeout=10, decode_responses=True)


async def answers(redis: Redis) -> bool:
    """Whether the server takes commands now."""
    try:
        return bool(await redis.ping())
    except (OSError, RedisError):
        return False
