"""Nodes that are emptied under busy workers: `kubectl drain`, and evictions of a whole fleet at once."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from typing import Final

from e2e.load.generator import Lengths, Load
from e2e.scenarios.cluster import CONTROL_PLANE
from e2e.scenarios.rollouts import flowing
from e2e.scenarios.stage import NAME, START_SECONDS, Stage, scaling

from headrace_operator.cluster.errors import ApiError, ApiNotFoundError
from support.kube_client import until

WORKERS: Final = 4
CONCURRENCY: Final = 5
PER_SECOND: Final = 4.0
DRAIN_SECONDS: Final = 240
RETRY_SECONDS: Final = 0.5


@dataclass(frozen=True)
class Emptied:
    """A node, or the fleet's every pod, told to go while jobs ran."""

    seconds: float
    evicted: int
    """Workers that went."""
    running: int
    """Jobs that ran on them at the beginning."""
    jobs: int
    lost: int
    interrupted: int
    redelivered: int
    fewest_ready: int
    """Ready workers at the worst moment; probes that a busy machine starves count as well."""
    refused: int = 0
    """Evictions that the budget put off, one by one; not known of kubectl's."""

    @property
    def sound(self) -> bool:
        """Whether jobs ran there, and none noticed."""
        return self.running > 0 and not (self.lost or self.interrupted or self.redelivered)


async def node_drains(stage: Stage, *, count: int, seed: int, longest: float = 20.0) -> AsyncIterator[Emptied]:
    """`count` times `kubectl drain` of one of the nodes with workers, then `kubectl uncordon`."""
    source = random.Random(seed)
    await _deploy(stage)
    nodes = [one["metadata"]["name"] for one in await stage.kube.objects("nodes", f"-l=!{CONTROL_PLANE}")]
    for number in range(count):
        await _spread(stage, len(nodes))
        load = stage.load(source, Lengths(0.1, longest))
        stage.book.turn()
        node = nodes[number % len(nodes)]
        async with flowing(load, PER_SECOND):
            await until(partial(_busy_on, stage, node), seconds=START_SECONDS)
            stage.sight.forget()
            on_it = [pod for pod in stage.sight.live if stage.sight.node(pod) == node]
            running = sum(run.worker in on_it for run in await stage.book.running())
            began = time.monotonic()
            try:
                await stage.kube.do(
                    *("drain", node, "--ignore-daemonsets", "--delete-emptydir-data", f"--timeout={DRAIN_SECONDS}s")
                )
                took = time.monotonic() - began
            finally:
                await stage.kube.do("uncordon", node)
            await stage.has(WORKERS)
        await stage.finished(load, seconds=60 + 4 * longest)
        yield await _emptied(stage, load, seconds=took, evicted=len(on_it), running=running)


async def evictions(stage: Stage, *, count: int, seed: int, longest: float = 20.0) -> AsyncIterator[Emptied]:
    """`count` times an eviction of every worker of the fleet at once, as an upgrade of all nodes does."""
    source = random.Random(seed)
    await _deploy(stage)
    for _ in range(count):
        await stage.only(1, WORKERS, seconds=START_SECONDS + longest)
        load = stage.load(source, Lengths(0.1, longest))
        stage.book.turn()
        async with flowing(load, PER_SECOND):
            await until(stage.all_busy, seconds=START_SECONDS)
            stage.sight.forget()
            running = len(await stage.book.running())
            began = time.monotonic()
            async with asyncio.timeout(DRAIN_SECONDS), asyncio.TaskGroup() as group:
                refusals = [group.create_task(_evict(stage, pod)) for pod in stage.sight.live]
            await stage.has(WORKERS, seconds=START_SECONDS + longest)
            took = time.monotonic() - began
        await stage.finished(load, seconds=60 + 4 * longest)
        evicted, refused = len(stage.sight.deletions), sum(refusal.result() for refusal in refusals)
        yield await _emptied(stage, load, seconds=took, evicted=evicted, running=running, refused=refused)


async def _emptied(
    stage: Stage, load: Load, *, seconds: float, evicted: int, running: int, refused: int = 0
) -> Emptied:
    """With what became of `load`, which has ended."""
    judged = await stage.book.judge(load.acknowledged)
    return Emptied(
        seconds=round(seconds, 1),
        evicted=evicted,
        running=running,
        jobs=judged.jobs,
        lost=judged.lost,
        interrupted=judged.interrupted,
        redelivered=judged.redelivered,
        fewest_ready=stage.sight.fewest_ready or 0,
        refused=refused,
    )


async def _deploy(stage: Stage) -> None:
    pinned = scaling(minReplicas=WORKERS, maxReplicas=WORKERS)
    await stage.apply(worker=stage.worker(concurrency=CONCURRENCY), scaling=pinned)
    await stage.only(1, WORKERS, seconds=START_SECONDS)
    await stage.kube.do("wait", "--for=create", f"poddisruptionbudget/{NAME}", "--timeout=30s")


async def _spread(stage: Stage, nodes: int) -> None:
    """Workers on every node: whoever is alone on one gets company by a deletion of its pods' surplus elsewhere."""
    await stage.only(1, WORKERS, seconds=START_SECONDS)
    while len({stage.sight.node(pod) for pod in stage.sight.live}) < nodes:
        victim = stage.sight.live[0]
        await stage.kube.do("delete", "pod", victim, "--wait=true", f"--timeout={DRAIN_SECONDS}s")
        await stage.only(1, WORKERS, seconds=START_SECONDS)


async def _busy_on(stage: Stage, node: str) -> bool:
    return any(stage.sight.node(run.worker) == node for run in await stage.book.running())


async def _evict(stage: Stage, pod: str) -> int:
    """As kubectl drain and autoscalers do: again and again until the budget lets it; how often it didn't."""
    path = f"/api/v1/namespaces/{stage.kube.namespace}/pods/{pod}/eviction"
    metadata = {"name": pod, "namespace": stage.kube.namespace}
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata}
    refused = 0
    while True:
        try:
            await stage.api.create(path, body)
        except ApiNotFoundError:
            return refused
        except ApiError:  # 429: the budget is used up for now
            refused += 1
            await asyncio.sleep(RETRY_SECONDS)
        else:
            return refused
