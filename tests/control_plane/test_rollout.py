"""A new version replaces an old one under load: one Deployment each, nobody interrupted, never too many pods."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from support.crash_loop import report_crash_loop
from support.kube_client import until
from support.live_fleet import QUEUE, LiveFleet, StartFleet, scaling

MOST = 3
SURGE = 1


async def test_a_rollout_under_load_interrupts_nobody(start_fleet: StartFleet) -> None:
    async with start_fleet() as fleet:
        kept = scaling(maxReplicas=MOST, cooldownSeconds=20, stabilizationWindowSeconds=20)
        await fleet.kube.apply(fleet.manifest(scaling=kept))
        await fleet.enqueue(200, seconds=0.5)

        async def all_run() -> bool:
            return len(fleet.pods.names) == MOST and (await fleet.ledger()).count("running") >= MOST

        await until(all_run)
        [old] = await fleet.kube.deployed(QUEUE)
        counted = asyncio.create_task(most_pods(fleet))
        changed = fleet.manifest(scaling=kept, worker=fleet.worker(RELEASE="2"), rollout={"maxSurge": SURGE})
        running = (await fleet.ledger()).count("running")
        await fleet.kube.apply(changed)

        async def replaced() -> bool:
            versions = await fleet.kube.deployed(QUEUE)
            return list(versions.values()) == [MOST] and old not in versions and len(fleet.kubelet.pods) == MOST

        took = await until(replaced, seconds=60)

        async def done() -> bool:
            return (await fleet.ledger()).count("ok") == 200

        await until(done, seconds=60)
        counted.cancel()
        with suppress(asyncio.CancelledError):
            await counted
        ledger = await fleet.ledger()
        assert (ledger.interrupted, ledger.redelivered) == (0, 0)
        assert [code for code in fleet.pods.exits.values() if code] == []
        assert fleet.kubelet.overdue == []
        assert max(PODS) <= MOST + SURGE
        print(f"{took:.1f} s for {MOST} workers with {running} jobs running; at most {max(PODS)} pods")
        reasons = [reason for reason, _ in await fleet.kube.events(QUEUE)]
        assert reasons.index("RolloutStarted") < reasons.index("RolloutFinished")


PODS: list[int] = []


async def most_pods(fleet: LiveFleet) -> None:
    """Count what exists, terminating ones included, again and again."""
    PODS.clear()
    while True:
        PODS.append(len(fleet.kubelet.pods))
        await asyncio.sleep(0.02)


async def test_a_version_that_cannot_run_leaves_the_old_one_in_place(start_fleet: StartFleet) -> None:
    async with start_fleet() as fleet:
        await fleet.kube.apply(fleet.manifest(scaling=scaling(minReplicas=2)))

        async def two() -> bool:
            return len(fleet.pods.names) == 2

        await until(two)
        [old] = await fleet.kube.deployed(QUEUE)
        broken = fleet.worker() | {"app": "support.no_such_module"}
        await fleet.kube.apply(fleet.manifest(scaling=scaling(minReplicas=2), worker=broken))

        async def created() -> bool:
            return len(await fleet.kube.deployed(QUEUE)) == 2 and len(fleet.kubelet.pods) == 3

        await until(created)
        [pod] = [one for one in await fleet.kube.objects("pods") if old not in one["metadata"]["name"]]
        await report_crash_loop(fleet.kube, pod["metadata"]["name"])

        async def failing() -> bool:
            return (await fleet.kube.condition(QUEUE, "Progressing")).get("reason") == "VersionFailing"

        await until(failing)
        message = (await fleet.kube.condition(QUEUE, "Progressing"))["message"]
        assert "CrashLoopBackOff: exit code 2" in message
        assert (await fleet.kube.deployed(QUEUE))[old] == 2
        await fleet.kube.apply(fleet.manifest(scaling=scaling(minReplicas=2)))

        async def back() -> bool:
            return await fleet.kube.deployed(QUEUE) == {old: 2}

        await until(back)
