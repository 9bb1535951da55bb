"""The breaker on a real API server: real crash loops, real failures, and pods that nobody places."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

from support.crash_loop import report_unschedulable
from support.kube_client import until
from support.live_fleet import QUEUE, LiveFleet, StartFleet, scaling

MOST = 4
BREAKER = {"runs": 20, "coolOffSeconds": 2}
LONG_AGO = "2026-01-31T12:00:00Z"


def growing(**breaker: Any) -> dict[str, Any]:
    """spec.scaling of a fleet that grows at once, with that breaker."""
    at_once = {"pods": MOST, "periodSeconds": 1}
    return scaling(maxReplicas=MOST, scaleUp=at_once, breaker={**BREAKER, **breaker})


async def opened(fleet: LiveFleet, reason: str) -> dict[str, Any]:
    """Wait until the breaker is open for that reason; status.breaker."""

    async def said() -> bool:
        found = await fleet.kube.condition(QUEUE, "BreakerOpen")
        return (found.get("status"), found.get("reason")) == ("True", reason)

    await until(said, seconds=60)
    status: dict[str, Any] = (await fleet.kube.status(QUEUE))["breaker"]
    assert (status["state"], status["reason"]) == ("Open", reason)
    return status


async def stopped(fleet: LiveFleet) -> int:
    """Enqueue more than there are workers for, and wait until the breaker lets none be added; how many there are."""
    await fleet.enqueue(150, seconds=1.5)

    async def said() -> bool:
        decision = (await fleet.kube.status(QUEUE))["lastDecision"]
        return (decision["reason"], decision.get("limitedBy")) == ("BreakerOpen", "scaling.breaker")

    await until(said)
    return await fleet.replicas()


async def grown(fleet: LiveFleet) -> None:
    """Wait until it has closed and the fleet is as large as may be."""

    async def said() -> bool:
        return await fleet.replicas() == MOST

    await until(said, seconds=60)
    found = await fleet.kube.condition(QUEUE, "BreakerOpen")
    assert (found["status"], found["reason"]) == ("False", "BreakerClosed")
    told = [reason for reason, _ in await fleet.kube.events(QUEUE) if reason.startswith("Breaker")]
    assert told == ["BreakerOpened", "BreakerClosed"]


async def test_workers_that_exit_at_once_get_no_company_until_they_run(start_fleet: StartFleet, tmp_path: Path) -> None:
    mended = tmp_path / "mended"
    async with start_fleet() as fleet:
        fleet.pods.restarts = True
        await fleet.kube.apply(fleet.manifest(scaling=growing(), worker=fleet.worker(BROKEN=f"until:{mended}")))
        await until(lambda: fleet.kube.condition(QUEUE, "BreakerOpen"))
        await fleet.enqueue(8, seconds=1.5)
        before = await opened(fleet, "CrashLoop")
        assert "again and again: CrashLoopBackOff: exit code 2" in before["message"]
        assert await stopped(fleet) == 2
        [operator] = fleet.operators
        await asyncio.to_thread(operator.kill)
        await asyncio.to_thread(operator.start)
        assert await stopped(fleet) == 2
        assert (await opened(fleet, "CrashLoop"))["sinceTime"] == before["sinceTime"]
        mended.touch()
        await grown(fleet)


async def test_pods_without_a_node_get_no_company_until_they_have_one(start_fleet: StartFleet) -> None:
    async with start_fleet() as fleet:
        await fleet.kube.apply(fleet.manifest(scaling=growing(), worker=fleet.worker(BROKEN="start")))
        await until(lambda: fleet.kube.condition(QUEUE, "BreakerOpen"))
        await fleet.enqueue(8, seconds=1.5)
        await until(lambda: len(fleet.kubelet.pods) == 2)
        pods = list(fleet.kubelet.pods)
        for pod in pods:
            await report_unschedulable(fleet.kube, pod, LONG_AGO)
        before = await opened(fleet, "Unschedulable")
        assert re.fullmatch(
            r"no node for (1 worker|2 workers) within 300 s: Unschedulable: 0/3 nodes are available: no cpu\.",
            before["message"],
        )
        assert await stopped(fleet) == 2
        for pod in pods:
            await report_unschedulable(fleet.kube, pod, LONG_AGO, still=False)
        await grown(fleet)


async def test_a_spike_of_failures_gets_no_further_workers_until_it_is_over(start_fleet: StartFleet) -> None:
    async with start_fleet() as fleet:
        await fleet.enqueue(20, seconds=0)
        await fleet.kube.apply(fleet.manifest(scaling=growing(errorPercent=30) | {"minReplicas": 1}))

        async def done() -> bool:
            return (await fleet.ledger()).count("ok") == 20

        async def settled() -> bool:
            return await fleet.replicas() == 1

        await until(done, seconds=60)
        # Those jobs have called for all the workers.
        await until(settled, seconds=60)
        await fleet.enqueue_failing("fragile", 12)
        before = await opened(fleet, "FailureSpike")
        assert "within 300 s failed, 0 % are usual" in before["message"]
        assert await stopped(fleet) < MOST
        await grown(fleet)
