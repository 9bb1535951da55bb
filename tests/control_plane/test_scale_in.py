"""A fleet that shrinks under load takes only workers that it has aimed at, none of which has a job in hand."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from support.kube_client import until
from support.live_fleet import QUEUE, LiveFleet, StartFleet
from support.operator_process import OperatorProcess

MOST = 5
ROUNDS = 5
SCALE_INS = ROUNDS * (MOST - 1)
COST = "controller.kubernetes.io/pod-deletion-cost"


async def scale(fleet: LiveFleet, count: int) -> None:
    """Pin the fleet, which `spec.replicas` may do at any time."""
    await fleet.kube.do("scale", "wq", QUEUE, f"--replicas={count}")


async def has_workers(fleet: LiveFleet, count: int) -> None:
    """Wait until just so many pods exist, and all of them have come to Redis."""

    async def there() -> bool:
        return count == len(fleet.kubelet.pods) == (await fleet.kube.status(QUEUE)).get("readyReplicas")

    await until(there, seconds=60)


async def one_less(fleet: LiveFleet, count: int) -> float:
    """Wait until only so many pods exist; the seconds that it took."""
    return await until(lambda: len(fleet.kubelet.pods) == count, seconds=60)


async def busy_pods(fleet: LiveFleet) -> set[str]:
    """Pods with jobs in hand."""
    return {one.worker for one in (await fleet.admin.stats()).workers if one.leases}


async def cordoned_pods(fleet: LiveFleet) -> set[str]:
    """Pods that get no more jobs."""
    return {one.worker for one in (await fleet.admin.stats()).workers if one.cordoned}


async def aimed_pods(fleet: LiveFleet) -> set[str]:
    """Pods that a ReplicaSet would delete first."""
    pods = await fleet.kube.objects("pods")
    return {pod["metadata"]["name"] for pod in pods if COST in pod["metadata"].get("annotations", {})}


def departures(operator: OperatorProcess) -> list[dict[str, Any]]:
    """What an operator has told of its scale-ins."""
    lines = [json.loads(line) for line in operator.log.splitlines() if "scaled in version" in line]
    return [line for line in lines if "idle" in line]


@asynccontextmanager
async def under_load(fleet: LiveFleet, rng: random.Random) -> AsyncIterator[list[float]]:
    """Jobs of 0.1 to 5 seconds come all the time; each one's seconds."""
    jobs: list[float] = []

    async def feed() -> None:
        while True:
            jobs.append(rng.uniform(0.1, 5))
            await fleet.enqueue(1, seconds=jobs[-1])
            await asyncio.sleep(rng.uniform(0.1, 0.8))

    feeding = asyncio.create_task(feed())
    try:
        yield jobs
    finally:
        feeding.cancel()
        with suppress(asyncio.CancelledError):
            await feeding


@pytest.mark.timeout(900, func_only=True)
async def test_twenty_scale_ins_under_load_take_only_idle_workers(start_fleet: StartFleet) -> None:
    with_busy, took = 0, []
    async with start_fleet() as fleet:
        await fleet.kube.apply(fleet.manifest(replicas=MOST))
        async with under_load(fleet, random.Random(7)) as jobs:
            for _ in range(ROUNDS):
                await scale(fleet, MOST)
                await has_workers(fleet, MOST)
                for count in range(MOST - 1, 0, -1):
                    with_busy += bool(await busy_pods(fleet))
                    await scale(fleet, count)
                    took.append(await one_less(fleet, count))

        async def done() -> bool:
            return (await fleet.ledger()).count("ok") == len(jobs)

        await until(done, seconds=60)
        ledger = await fleet.ledger()
        await until(lambda: len(departures(fleet.leader)) >= SCALE_INS)
        found = Counter(
            {kind: sum(len(one[kind]) for one in departures(fleet.leader)) for kind in ("idle", "drained", "others")}
        )
        assert (ledger.interrupted, ledger.redelivered) == (0, 0)
        assert found == Counter(idle=SCALE_INS, drained=0, others=0)
        assert list(fleet.pods.exits.values()) == [0] * SCALE_INS
        assert fleet.kubelet.overdue == []
        assert with_busy >= SCALE_INS * 3 // 4
        took.sort()
        print(
            f"{SCALE_INS} scale-ins, {with_busy} with a busy pod present, {len(jobs)} jobs: victims {dict(found)}; "
            f"wish → pod gone: median {took[len(took) // 2]:.1f} s, longest {took[-1]:.1f} s"
        )


@pytest.mark.parametrize("then", ["finishes", "lifts"])
async def test_an_operator_that_dies_in_the_middle_leaves_nobody_cordoned(start_fleet: StartFleet, then: str) -> None:
    async with start_fleet(operators=2) as fleet:
        await fleet.kube.apply(fleet.manifest(replicas=2))
        await has_workers(fleet, 2)
        await fleet.hold("gate", 8)

        async def all_busy() -> bool:
            return len(await busy_pods(fleet)) == 2

        await until(all_busy)
        await scale(fleet, 1)

        async def begun() -> bool:
            return len(await cordoned_pods(fleet)) == 1

        await until(begun)
        [victim] = await cordoned_pods(fleet)
        await asyncio.to_thread(fleet.leader.kill)
        # As if it had died a step later.
        await fleet.kube.do("annotate", "pod", victim, f"{COST}=-1000")
        if then == "lifts":
            await scale(fleet, 2)
        [standby] = [operator for operator in fleet.operators if operator.running]
        await until(lambda: standby.leads)
        if then == "finishes":
            await fleet.open("gate", victim)  # were the other idle first, that one would rightly leave
            await until(lambda: fleet.kubelet.pods != [] and victim not in fleet.kubelet.pods)

        async def free() -> bool:
            return not await cordoned_pods(fleet) and not await aimed_pods(fleet)

        await until(free)
        await fleet.open("gate")

        async def done() -> bool:
            return (await fleet.ledger()).count("ok") == 8

        await until(done)
        ledger = await fleet.ledger()
        assert (ledger.interrupted, ledger.redelivered) == (0, 0)
        assert len(fleet.kubelet.pods) == (1 if then == "finishes" else 2)
        if then == "finishes":
            assert [one["idle"] for one in departures(standby)] == [[victim]]
