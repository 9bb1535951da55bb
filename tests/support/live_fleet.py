"""A whole fleet on one machine: a real API server, the operator's own process, real workers, one Redis.

`async with live_fleet(…) as fleet:` gives it running; leaving ends all of it. The operator has no more rights than its
ServiceAccount in the chart.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from code_index.ledger import Ledger, Summary
from headrace import Fleet
from headrace.admin.queue_admin import QueueAdmin
from headrace.wire.link import Link
from headrace.wire.target import parse_target
from support.control_plane import ControlPlane
from support.fake_kubelet import FakeKubelet
from support.fleet_tasks import HEALED
from support.kube_client import KubeClient
from support.operator_process import OperatorProcess
from support.pod_processes import PodProcesses
from support.servers import RedisServer

QUEUE = "fleet"


@dataclass(frozen=True)
class LiveFleet:
    """The parts, and what tests do with them."""

    kube: KubeClient
    redis: RedisServer
    kubelet: FakeKubelet
    pods: PodProcesses
    operators: list[OperatorProcess]
    producer: Fleet
    admin: QueueAdmin
    memory: Redis
    """The ledger's database."""

    def manifest(self, **spec: Any) -> dict[str, Any]:
        """A WorkerQueue for this fleet, quick to follow its work; `spec` replaces whole fields."""
        return {
            "apiVersion": "headrace.dev/v1alpha1",
            "kind": "WorkerQueue",
            "metadata": {"name": QUEUE},
            "spec": {
                "redis": {"url": self.redis.url},
                "queues": [{"name": QUEUE}],
                "worker": self.worker(),
                "scaling": scaling(),
                "drain": {"graceSeconds": 20},
                **spec,
            },
        }

    def worker(self, **environ: str) -> dict[str, Any]:
        """spec.worker; another `environ` is another version."""
        values = {"FLEET_QUEUE": QUEUE, "LEDGER_URL": self.ledger_url, "LOG_FORMAT": "json", **environ}
        env = [{"name": name, "value": value} for name, value in values.items()]
        return {"app": "support.fleet_tasks", "image": "none.invalid/worker:1", "concurrency": 4, "env": env}

    @property
    def ledger_url(self) -> str:
        """A database beside the queue's."""
        return self.redis.url.removesuffix("/0") + "/1"

    async def enqueue(self, count: int, seconds: float) -> None:
        """Jobs that take that long."""
        task = self.producer.queue(QUEUE).tasks["work"]
        await task.enqueue_many([{"seconds": seconds}] * count)

    async def enqueue_failing(self, task: str, count: int) -> None:
        """Jobs that become dead letters until healed."""
        await self.producer.queue(QUEUE).tasks[task].enqueue_many([{"number": n} for n in range(count)])

    async def heal(self) -> None:
        """Let failing jobs succeed from now on."""
        await self.memory.set(HEALED, "1")

    async def ledger(self) -> Summary:
        """What really ran."""
        return await asyncio.to_thread(Ledger.read, self.ledger_url)

    async def replicas(self) -> int:
        """Workers asked for, over all versions."""
        return sum((await self.kube.deployed(QUEUE)).values())

    @property
    def leader(self) -> OperatorProcess:
        """The first operator that has led."""
        return next(one for one in self.operators if one.leads)


def scaling(**changes: Any) -> dict[str, Any]:
    """spec.scaling that follows the work within seconds."""
    quick = {"minReplicas": 0, "maxReplicas": 4, "backlogPerReplica": 4}
    return {**quick, "cooldownSeconds": 1, "stabilizationWindowSeconds": 1, **changes}


@asynccontextmanager
async def live_fleet(
    plane: ControlPlane, namespace: str, account: Path, folder: Path, *, operators: int = 1
) -> AsyncIterator[LiveFleet]:
    """`account` is the operator's kubeconfig, `folder` gets the logs."""
    kube = KubeClient(plane, namespace)
    async with AsyncExitStack() as stack:
        server = await asyncio.to_thread(stack.enter_context, RedisServer())
        pods = PodProcesses(plane, folder)
        kubelet = FakeKubelet(plane.kubeconfig, namespace, on_start=pods.start, on_stop=pods.stop)
        await stack.enter_async_context(kubelet)
        # The pods' owners go before the node does, or they would be made anew while it ends them.
        stack.push_async_callback(kube.do, "delete", "workerqueues,deployments", "--all", "--wait=false")
        running = [OperatorProcess(account, namespace, folder, name=f"operator-{n}") for n in range(operators)]
        for operator in running:
            stack.push_async_callback(asyncio.to_thread, operator.kill)
            await asyncio.to_thread(operator.start)
        producer = await stack.enter_async_context(_producer(server.url))
        link = Link(parse_target(server.url))
        stack.push_async_callback(link.close)
        memory = Redis.from_url(server.url.removesuffix("/0") + "/1", socket_timeout=10)
        stack.push_async_callback(memory.aclose)
        yield LiveFleet(kube, server, kubelet, pods, running, producer, QueueAdmin(link, QUEUE), memory)


StartFleet = Callable[..., AbstractAsyncContextManager[LiveFleet]]
"""`live_fleet` with all but its options given."""


def _producer(url: str) -> Fleet:
    """Enqueues for the application's tasks."""
    fleet = Fleet(url)
    queue = fleet.queue(QUEUE)

    @queue.task()
    async def work(seconds: float) -> None: ...

    @queue.task()
    async def fragile(number: int) -> None: ...

    @queue.task()
    async def brittle(number: int) -> None: ...

    return fleet
