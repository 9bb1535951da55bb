"""A new version replaces an old one under load: one Deployment each, nobody interrupted, never too many pods."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import redis

from code_index.ledger import entries
from support.crash_loop import report_crash_loop, report_exit
from support.kube_client import until
from support.live_fleet import QUEUE, LiveFleet, StartFleet, scaling

MOST = 3
SURGE = 1
KEPT = scaling(minReplicas=MOST, maxReplicas=MOST)
ROLLOUT = {"maxSurge": SURGE, "gate": {"jobs": 20, "timeoutSeconds": 300}}


async def test_a_rollout_under_load_interrupts_nobody(start_fleet: StartFleet) -> None:
    async with under_load(start_fleet) as (fleet, load):
        counted = asyncio.create_task(most_pods(fleet))
        running = (await fleet.admin.stats()).leased
        await fleet.kube.apply(fleet.manifest(scaling=KEPT, rollout=ROLLOUT, worker=fleet.worker(RELEASE="2")))

        async def replaced() -> bool:
            versions = await fleet.kube.deployed(QUEUE)
            return list(versions.values()) == [MOST] and load.old not in versions and len(fleet.kubelet.pods) == MOST

        took = await until(replaced, seconds=90)
        await all_done(fleet, load)
        counted.cancel()
        with suppress(asyncio.CancelledError):
            await counted
        ledger = await fleet.ledger()
        assert (ledger.interrupted, ledger.redelivered) == (0, 0)
        assert [code for code in fleet.pods.exits.values() if code] == []
        assert fleet.kubelet.overdue == []
        assert max(PODS) <= MOST + SURGE
        print(f"{took:.1f} s for {MOST} workers with {running} of {load.jobs} jobs running; at most {max(PODS)} pods")
        reasons = [reason for reason, _ in await fleet.kube.events(QUEUE)]
        assert reasons.index("RolloutStarted") < reasons.index("CanaryPassed") < reasons.index("RolloutFinished")


PODS: list[int] = []


async def most_pods(fleet: LiveFleet) -> None:
    """Count what exists, terminating ones included, again and again."""
    PODS.clear()
    while True:
        PODS.append(len(fleet.kubelet.pods))
        await asyncio.sleep(0.02)


@dataclass
class Load:
    """Keeps jobs waiting until told to stop, so that every worker always has some."""

    fleet: LiveFleet
    old: str
    """The version that runs at first."""
    jobs: int = 0
    on: bool = True

    async def run(self) -> None:
        while self.on:
            if (await self.fleet.admin.stats()).ready < 40:
                self.jobs += 40
                await self.fleet.enqueue(40, seconds=0.3)
            await asyncio.sleep(0.2)


@asynccontextmanager
async def under_load(start_fleet: StartFleet) -> AsyncIterator[tuple[LiveFleet, Load]]:
    """A fleet of MOST workers, all of them busy."""
    async with start_fleet() as fleet:
        await fleet.kube.apply(fleet.manifest(scaling=KEPT, rollout=ROLLOUT))

        async def all_ready() -> bool:
            return len(fleet.pods.names) == MOST and (await fleet.kube.status(QUEUE)).get("readyReplicas") == MOST

        async def all_busy() -> bool:
            workers = (await fleet.admin.stats()).workers
            return len(workers) == MOST and all(worker.leases for worker in workers)

        await until(all_ready, seconds=60)
        [old] = await fleet.kube.deployed(QUEUE)
        load = Load(fleet, old)
        async with asyncio.TaskGroup() as group:
            group.create_task(load.run())
            try:
                await until(all_busy)
                yield fleet, load
            finally:
                load.on = False


async def rolled_back(fleet: LiveFleet, old: str) -> dict[str, Any]:
    """Wait until the new version is gone again; status.rollout. The old one must never have had fewer workers."""

    async def back() -> bool:
        versions = await fleet.kube.deployed(QUEUE)
        assert versions[old] == MOST, "the old version lost a worker"
        reason = (await fleet.kube.condition(QUEUE, "Progressing")).get("reason")
        return reason == "RolledBack" and versions == {old: MOST}

    await until(back, seconds=60)
    rollout: dict[str, Any] = (await fleet.kube.status(QUEUE))["rollout"]
    assert rollout["stable"] == old
    return rollout


async def all_done(fleet: LiveFleet, load: Load) -> None:
    """Stop the load and wait until every job is done; none is dead."""
    load.on = False

    async def done() -> bool:
        stats = await fleet.admin.stats()
        return not (stats.demand or stats.scheduled) and (await fleet.ledger()).count("ok") == load.jobs

    await until(done, seconds=90)
    assert (await fleet.admin.stats()).dead == 0


async def all_done_by_old(fleet: LiveFleet, load: Load) -> None:
    """Wait for it; no run was charged, and the old version has completed every job."""
    await all_done(fleet, load)
    with redis.Redis.from_url(fleet.ledger_url, decode_responses=True, socket_timeout=10) as books:
        runs = list(entries(books))
    assert {run["attempt"] for run in runs} == {"1"}, "an attempt was burnt"
    assert all(load.old in run["worker"] for run in runs if run.get("outcome") == "ok")


async def test_a_version_that_fails_its_jobs_is_rolled_back_and_costs_none(start_fleet: StartFleet) -> None:
    async with under_load(start_fleet) as (fleet, load):
        broken = fleet.manifest(scaling=KEPT, rollout=ROLLOUT, worker=fleet.worker(BROKEN="jobs"))
        await fleet.kube.apply(broken)
        rollout = await rolled_back(fleet, load.old)
        assert rollout["reason"] == "JobsFailed"
        assert rollout["failedVersion"] != load.old
        # Another spec of the same version: it isn't tried again.
        broken["spec"]["scaling"] = KEPT | {"maxReplicas": MOST + 1}
        await fleet.kube.apply(broken)

        async def grown() -> bool:
            return await fleet.kube.deployed(QUEUE) == {load.old: MOST + 1}

        await until(grown, seconds=60)
        await all_done_by_old(fleet, load)
        counts = (await fleet.admin.stats()).versions[rollout["failedVersion"]]
        assert (counts.completed, counts.dead) == (0, 0)
        print(f"{counts.failed} jobs failed in {counts.returned} runs, none of them charged; {rollout['message']}")
        reasons = [reason for reason, _ in await fleet.kube.events(QUEUE)]
        assert reasons.index("RolloutStarted") < reasons.index("RolledBack")
        assert reasons.count("RolledBack") == 1


async def test_a_version_that_kills_its_workers_is_rolled_back_and_costs_no_job(start_fleet: StartFleet) -> None:
    async with under_load(start_fleet) as (fleet, load):
        await fleet.kube.apply(fleet.manifest(scaling=KEPT, rollout=ROLLOUT, worker=fleet.worker(BROKEN="worker")))
        buried: set[str] = set()

        async def died() -> bool:
            """Delete the pods of dead workers, so that others take their places."""
            for pod in set(fleet.pods.names) - buried:
                if load.old not in pod and fleet.pods.ended(pod):
                    buried.add(pod)
                    await fleet.kube.do("delete", "pod", pod, "--grace-period=0", "--force", "--wait=false")
            return (await fleet.kube.condition(QUEUE, "Progressing")).get("reason") == "RolledBack"

        await until(died, seconds=90)
        assert (await rolled_back(fleet, load.old))["reason"] == "WorkersDied"
        await all_done_by_old(fleet, load)
        stats = await fleet.admin.stats()
        print(f"{len(buried)} workers died with {stats.crashed} jobs in hand")
        assert stats.crashed > 0


async def canary(fleet: LiveFleet, load: Load) -> str:
    """Replace the version by one that can't start; the name of its pod."""
    await fleet.kube.apply(fleet.manifest(scaling=KEPT, rollout=ROLLOUT, worker=fleet.worker(BROKEN="start")))

    async def created() -> bool:
        return len(await fleet.kube.deployed(QUEUE)) == 2 and len(fleet.kubelet.pods) == MOST + 1

    await until(created)
    [pod] = [one for one in await fleet.kube.objects("pods") if load.old not in one["metadata"]["name"]]
    return str(pod["metadata"]["name"])


async def test_a_worker_that_is_killed_is_forgiven_once(start_fleet: StartFleet) -> None:
    async with under_load(start_fleet) as (fleet, load):
        pod = await canary(fleet, load)
        await report_exit(fleet.kube, pod, 137, run=1)

        async def noted() -> bool:
            rollout = (await fleet.kube.status(QUEUE))["rollout"]
            return len(rollout.get("exits", ())) == 1 and rollout["phase"] == "Canary"

        await until(noted)
        await report_exit(fleet.kube, pod, 137, run=2)
        rollout = await rolled_back(fleet, load.old)
        assert (rollout["reason"], rollout["message"]) == ("Crashing", "its workers crash: exit code 137")
        await all_done_by_old(fleet, load)


async def test_a_version_that_crashes_on_start_is_rolled_back(start_fleet: StartFleet) -> None:
    async with under_load(start_fleet) as (fleet, load):
        await report_crash_loop(fleet.kube, await canary(fleet, load))
        rollout = await rolled_back(fleet, load.old)
        assert rollout["reason"] == "Crashing"
        assert rollout["message"] == "its workers crash: exit code 2"
        # Another one, which is sound, gets its trial.
        await fleet.kube.apply(fleet.manifest(scaling=KEPT, rollout=ROLLOUT, worker=fleet.worker(RELEASE="3")))

        async def replaced() -> bool:
            rollout = (await fleet.kube.status(QUEUE))["rollout"]
            return bool(rollout["phase"] == "Complete" and rollout["stable"] != load.old)

        await until(replaced, seconds=90)
        await all_done(fleet, load)
        ledger = await fleet.ledger()
        assert (ledger.interrupted, ledger.redelivered) == (0, 0)


async def test_a_version_that_the_api_server_refuses_is_named_and_the_old_one_is_tended(
    start_fleet: StartFleet,
) -> None:
    async with start_fleet() as fleet:
        await fleet.kube.apply(fleet.manifest(replicas=1))
        await until(lambda: fleet.kubelet.pods)
        misspelled = fleet.worker() | {"podTemplate": {"spec": {"nodeSelectr": {"disk": "fast"}}}}
        await fleet.kube.apply(fleet.manifest(replicas=2, worker=misspelled))

        async def said() -> bool:
            found = await fleet.kube.condition(QUEUE, "Progressing")
            return found["reason"] == "VersionFailing" and "spec.template.spec.nodeSelectr" in found["message"]

        await until(said)
        await until(lambda: len(fleet.kubelet.pods) == 2)
        await fleet.kube.apply(fleet.manifest(replicas=2, worker=fleet.worker(RELEASE="2")))
        await until(lambda: len(fleet.kubelet.pods) == 3)
