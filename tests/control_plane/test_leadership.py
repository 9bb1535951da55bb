"""Two operators, one leader: when it dies, freezes or says goodbye, the other goes on and nothing is done twice."""

from __future__ import annotations

import asyncio
import time

from support.kube_client import until
from support.live_fleet import LiveFleet, StartFleet, scaling
from support.operator_process import OperatorProcess

TAKEOVER_SECONDS = 12


async def pair(fleet: LiveFleet) -> tuple[OperatorProcess, OperatorProcess]:
    """Leader and standby."""
    await until(lambda: any(operator.leads for operator in fleet.operators))
    [standby] = [operator for operator in fleet.operators if not operator.leads]
    return fleet.leader, standby


async def takes_over(fleet: LiveFleet, standby: OperatorProcess) -> float:
    """Seconds until the standby leads and acts."""
    began = time.monotonic()
    await until(lambda: standby.leads, seconds=TAKEOVER_SECONDS, every=0.05)
    await fleet.enqueue(4, seconds=0)

    async def acts() -> bool:
        return await fleet.replicas() >= 1

    await until(acts)
    return time.monotonic() - began


async def test_a_killed_leader_is_replaced_within_seconds(start_fleet: StartFleet) -> None:
    async with start_fleet(operators=2) as fleet:
        await fleet.kube.apply(fleet.manifest(scaling=scaling(cooldownSeconds=30)))
        leader, standby = await pair(fleet)
        await fleet.enqueue(8, seconds=1)

        async def two() -> bool:
            return len(fleet.pods.names) == 2

        await until(two)
        pods = set(fleet.pods.names)
        await asyncio.to_thread(leader.kill)
        print(f"kill -9 → standby acts: {await takes_over(fleet, standby):.1f} s")
        # The new leader keeps the workers that it finds.
        assert pods <= set(fleet.pods.names)

        async def done() -> bool:
            return (await fleet.ledger()).count("ok") == 12

        await until(done)
        ledger = await fleet.ledger()
        assert (ledger.interrupted, ledger.redelivered) == (0, 0)


async def test_a_leader_that_says_goodbye_is_replaced_at_once(start_fleet: StartFleet) -> None:
    async with start_fleet(operators=2) as fleet:
        await fleet.kube.apply(fleet.manifest())
        leader, standby = await pair(fleet)
        await asyncio.to_thread(leader.stop)
        took = await until(lambda: standby.leads, seconds=TAKEOVER_SECONDS, every=0.05)
        print(f"SIGTERM → standby leads: {took:.1f} s")
        assert took < 3


async def test_a_leader_that_slept_through_its_end_changes_nothing_and_stands_by(start_fleet: StartFleet) -> None:
    async with start_fleet(operators=2) as fleet:
        await fleet.kube.apply(fleet.manifest(scaling=scaling(cooldownSeconds=60, stabilizationWindowSeconds=60)))
        leader, standby = await pair(fleet)
        await asyncio.to_thread(leader.freeze)
        await takes_over(fleet, standby)
        before = await fleet.kube.objects("deployments")
        await asyncio.to_thread(leader.thaw)
        await until(lambda: leader.log.count("standing by for the Lease") == 2)
        after = await fleet.kube.objects("deployments")
        assert [one["metadata"]["generation"] for one in after] == [one["metadata"]["generation"] for one in before]
        lease = await fleet.kube.get("lease", "headrace")
        assert lease["spec"]["holderIdentity"].startswith(f"{standby.name}_")
        await asyncio.to_thread(standby.kill)
        await fleet.enqueue(8, seconds=0.1)

        async def done() -> bool:
            return (await fleet.ledger()).count("ok") == 4 + 8

        await until(done)


async def test_the_api_server_down_harms_no_worker_and_the_operator_goes_on_after_it(start_fleet: StartFleet) -> None:
    async with start_fleet() as fleet:
        await fleet.kube.apply(fleet.manifest(scaling=scaling(cooldownSeconds=60, stabilizationWindowSeconds=60)))
        await fleet.enqueue(8, seconds=0.5)

        async def two() -> bool:
            return len(fleet.pods.names) == 2

        await until(two)
        fleet.plane.stop_apiserver()
        try:
            await fleet.enqueue(8, seconds=0.5)

            async def done() -> bool:
                return (await fleet.ledger()).count("ok") == 16

            await until(done)
        finally:
            await asyncio.to_thread(fleet.plane.start_apiserver)
        await fleet.enqueue(24, seconds=4)

        async def four() -> bool:
            return await fleet.replicas() == 4

        await until(four)

        async def all_done() -> bool:
            return (await fleet.ledger()).count("ok") == 40

        await until(all_done)
        assert (await fleet.ledger()).interrupted == 0
