"""Deleting a WorkerQueue drains its workers, leaves its jobs, and frees its queue, with and without an operator."""

from __future__ import annotations

import asyncio

from support.kube_client import until
from support.live_fleet import QUEUE, LiveFleet, StartFleet


async def busy(fleet: LiveFleet) -> None:
    """Two workers in the middle of their jobs, and more jobs."""
    await fleet.kube.apply(fleet.manifest(replicas=2))
    await fleet.enqueue(30, seconds=2)

    async def running() -> bool:
        return (await fleet.ledger()).count("running") == 8

    await until(running)


async def gone(fleet: LiveFleet) -> bool:
    """Nothing is left in the cluster."""
    return not fleet.kubelet.pods and not await fleet.kube.objects("deployments,replicasets")


async def test_deletion_drains_and_cleans_up_and_keeps_the_jobs(start_fleet: StartFleet) -> None:
    async with start_fleet() as fleet:
        await busy(fleet)
        await fleet.kube.do("delete", "wq", QUEUE)
        await until(lambda: gone(fleet))
        ledger = await fleet.ledger()
        assert (ledger.interrupted, ledger.redelivered, ledger.count("running")) == (0, 0, 0)
        assert set(fleet.pods.exits.values()) == {0}
        stats = await fleet.admin.stats()
        assert stats.ready + ledger.count("ok") == 30

        async def freed() -> bool:
            return not (await fleet.admin.stats()).owner

        await until(freed)


async def test_deletion_without_an_operator_drains_too(start_fleet: StartFleet) -> None:
    async with start_fleet() as fleet:
        await busy(fleet)
        [operator] = fleet.operators
        await asyncio.to_thread(operator.kill)
        await fleet.kube.do("delete", "wq", QUEUE)
        # By the garbage collector, which takes half a minute to learn of a new CRD.
        await until(lambda: gone(fleet), seconds=60)
        ledger = await fleet.ledger()
        assert (ledger.interrupted, ledger.redelivered, ledger.count("running")) == (0, 0, 0)
