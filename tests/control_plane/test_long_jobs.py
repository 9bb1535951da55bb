"""A long job outlives a short cooldown and its pod's end, and one that can't is finished elsewhere, uncharged."""

from __future__ import annotations

from support.kube_client import until
from support.live_fleet import QUEUE, LiveFleet, StartFleet, scaling


async def begun(fleet: LiveFleet, runs: int = 1) -> None:
    """So many runs have started."""

    async def so() -> bool:
        return (await fleet.ledger()).started >= runs

    await until(so, seconds=60)


async def done(fleet: LiveFleet, jobs: int = 1) -> None:
    """So many jobs were completed."""

    async def so() -> bool:
        return (await fleet.ledger()).count("ok") == jobs

    await until(so, seconds=60)


async def test_a_job_ten_times_as_long_as_the_cooldown_keeps_its_worker(start_fleet: StartFleet) -> None:
    async with start_fleet() as fleet:
        await fleet.kube.apply(fleet.manifest(scaling=scaling(cooldownSeconds=1, stabilizationWindowSeconds=0)))
        await fleet.enqueue(1, seconds=10)
        await done(fleet)
        ledger = await fleet.ledger()
        assert (ledger.started, ledger.interrupted, ledger.redelivered) == (1, 0, 0)

        async def gone() -> bool:
            return await fleet.replicas() == 0

        await until(gone)
        decided = [one["desired"] for one in (await fleet.kube.status(QUEUE))["decisions"]]
        assert decided == [0, 1]


async def test_a_pod_told_to_end_finishes_its_job_within_its_grace(start_fleet: StartFleet) -> None:
    async with start_fleet() as fleet:
        await fleet.kube.apply(fleet.manifest())
        await fleet.hold("end", 1)
        await begun(fleet)
        [pod] = fleet.pods.names
        await fleet.kube.do("delete", "pod", pod, "--wait=false")

        async def ending() -> bool:
            return pod not in fleet.pods.names

        await until(ending)
        await fleet.open("end")
        await done(fleet)
        ledger = await fleet.ledger()
        assert (ledger.started, ledger.interrupted, ledger.redelivered) == (1, 0, 0)

        async def ended() -> bool:
            return fleet.pods.exits.get(pod) == 0

        await until(ended)


async def test_a_job_longer_than_its_pods_grace_is_finished_elsewhere_uncharged(start_fleet: StartFleet) -> None:
    async with start_fleet() as fleet:
        await fleet.kube.apply(fleet.manifest(drain={"graceSeconds": 1}))
        await fleet.hold("end", 1)
        await begun(fleet)
        [pod] = fleet.pods.names
        await fleet.kube.do("delete", "pod", pod, "--wait=false")
        await begun(fleet, 2)
        await fleet.open("end")
        await done(fleet)
        first, second = await fleet.starts()
        assert first.worker == pod != second.worker
        assert (second.job, second.attempt) == (first.job, first.attempt)
        stats = await fleet.admin.stats()
        assert (stats.ready, stats.leased, stats.dead) == (0, 0, 0)
        assert fleet.kubelet.overdue == []
