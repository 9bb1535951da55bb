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
from typing import Any, cast

from redis.asyncio import Redis

from code_index.ledger import STREAM, Ledger, Summary
from headrace import Fleet
from headrace.admin.queue_admin import QueueAdmin
from headrace.wire.link import Link
from headrace.wire.target import parse_target
from support.control_plane import ControlPlane
from support.fake_kubelet import FakeKubelet
from support.fleet_tasks import GATE, HEALED
from support.kube_client import KubeClient
from support.operator_process import OperatorProcess
from support.pod_processes import PodProcesses
from support.servers import RedisServer

QUEUE = "fleet"


@dataclass(frozen=True)
class Start:
    """A run began, says the ledger."""

    at: float
    """Unix time in seconds."""
    job: str
    attempt: int
    worker: str


@dataclass(frozen=True)
class LiveFleet:
    """The parts, and what tests do with them."""

    plane: ControlPlane
    kube: KubeClient
    redis: RedisServer
    kubelet: FakeKubelet
    pods: PodProcesses
    operators: list[OperatorProcess]
    producer: Fleet
    admin: QueueAdmin
    memory: Redis
    """The ledger's server."""
    url: str
    """Where workers and operator find the queue."""
    ledger_url: str

    def manifest(self, **spec: Any) -> dict[str, Any]:
        """A WorkerQueue for this fleet, quick to follow its work; `spec` replaces whole fields."""
        return {
            "apiVersion": "headrace.dev/v1alpha1",
            "kind": "WorkerQueue",
            "metadata": {"name": QUEUE},
            "spec": {
                "redis": {"url": self.url},
                "queues": [{"name": QUEUE}],
                "worker": self.worker(),
                "scaling": scaling(),
                "drain": {"graceSeconds": 20},
                **spec,
            },
        }

    def schedule(self, cron: str) -> dict[str, Any]:
        """The Schedule `nightly` for this fleet, of jobs that take no time."""
        return {
            "apiVersion": "headrace.dev/v1alpha1",
            "kind": "Schedule",
            "metadata": {"name": "nightly"},
            "spec": {"workerQueue": QUEUE, "cron": cron, "task": "work", "kwargs": {"seconds": 0}},
        }

    def worker(self, **environ: str) -> dict[str, Any]:
        """spec.worker; another `environ` is another version."""
        values = {"FLEET_QUEUE": QUEUE, "LEDGER_URL": self.ledger_url, "LOG_FORMAT": "json", **environ}
        env = [{"name": name, "value": value} for name, value in values.items()]
        return {"app": "support.fleet_tasks", "image": "none.invalid/worker:1", "concurrency": 4, "env": env}

    async def enqueue(self, count: int, seconds: float) -> None:
        """Jobs that take that long."""
        task = self.producer.queue(QUEUE).tasks["work"]
        await task.enqueue_many([{"seconds": seconds}] * count)

    async def enqueue_failing(self, task: str, count: int) -> None:
        """Jobs that become dead letters until healed."""
        await self.producer.queue(QUEUE).tasks[task].enqueue_many([{"number": n} for n in range(count)])

    async def hold(self, gate: str, count: int) -> None:
        """Jobs that run until `open` is called for that gate."""
        await self.producer.queue(QUEUE).tasks["held"].enqueue_many([{"gate": gate}] * count)

    async def open(self, gate: str, worker: str | None = None) -> None:
        """Let the jobs that are held there end, or just those at `worker`."""
        await self.memory.set(f"{GATE}{gate}" + (f":{worker}" if worker else ""), "1")

    async def heal(self) -> None:
        """Let failing jobs succeed from now on."""
        await self.memory.set(HEALED, "1")

    async def ledger(self) -> Summary:
        """What really ran."""
        return await asyncio.to_thread(Ledger.read, self.ledger_url)

    async def starts(self) -> list[Start]:
        """Every run's start, the oldest first."""
        found = cast("list[tuple[bytes, dict[bytes, bytes]]]", await self.memory.xrange(STREAM))
        return [
            Start(
                int(at.partition(b"-")[0]) / 1000,
                fields[b"job"].decode(),
                int(fields[b"attempt"]),
                fields[b"worker"].decode(),
            )
            for at, fields in found
            if fields[b"event"] == b"start"
        ]

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


@dataclass(frozen=True)
class Surroundings:
    """Where the queue's Redis is said to be, if not where it is, and what its users' commands are prefixed with."""

    url: str | None = None
    operator_prefix: tuple[str, ...] = ()
    pod_prefix: tuple[str, ...] = ()


@asynccontextmanager
async def live_fleet(
    plane: ControlPlane,
    namespace: str,
    account: Path,
    folder: Path,
    *,
    operators: int = 1,
    surroundings: Surroundings | None = None,
) -> AsyncIterator[LiveFleet]:
    """`account` is the operator's kubeconfig, `folder` gets the logs."""
    around = surroundings or Surroundings()
    kube = KubeClient(plane, namespace)
    async with AsyncExitStack() as stack:
        server = await asyncio.to_thread(stack.enter_context, RedisServer())
        # Another one for the ledger: the queue's may be frozen or full, and the truth must be written all the same.
        books = await asyncio.to_thread(stack.enter_context, RedisServer())
        pods = PodProcesses(plane, folder, around.pod_prefix)
        kubelet = FakeKubelet(plane.kubeconfig, namespace, on_start=pods.start, on_stop=pods.stop)
        await stack.enter_async_context(kubelet)
        # The pods' owners go before the node does, or they would be made anew while it ends them.
        stack.push_async_callback(kube.do, "delete", "workerqueues,deployments", "--all", "--wait=false")
        running = [
            OperatorProcess(account, namespace, folder, name=f"operator-{n}", prefix=around.operator_prefix)
            for n in range(operators)
        ]
        for operator in running:
            stack.push_async_callback(asyncio.to_thread, operator.kill)
            await asyncio.to_thread(operator.start)
        producer = await stack.enter_async_context(_producer(server.url))
        link = Link(parse_target(server.url))
        stack.push_async_callback(link.close)
        memory = Redis.from_url(books.url, socket_timeout=10)
        stack.push_async_callback(memory.aclose)
        admin = QueueAdmin(link, QUEUE)
        url = around.url or server.url
        yield LiveFleet(plane, kube, server, kubelet, pods, running, producer, admin, memory, url, books.url)


StartFleet = Callable[..., AbstractAsyncContextManager[LiveFleet]]
"""`live_fleet` with all but its options given."""


def _producer(url: str) -> Fleet:
    """Enqueues for the application's tasks."""
    fleet = Fleet(url)
    queue = fleet.queue(QUEUE)

    @queue.task()
    async def work(seconds: float) -> None: ...

    @queue.task()
    async def held(gate: str) -> None: ...

    @queue.task()
    async def second_time(name: str, wait: float) -> None: ...

    @queue.task()
    async def fragile(number: int) -> None: ...

    @queue.task()
    async def brittle(number: int) -> None: ...

    return fleet
