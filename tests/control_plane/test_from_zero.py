"""A fleet at zero is woken by what comes: a job now, a job at its time, a retry at its time; told by the watch."""

from __future__ import annotations

import time

from support.fleet_watch import FleetWatch
from support.kube_client import until
from support.live_fleet import QUEUE, LiveFleet, StartFleet, scaling

WAKE_UPS = 5
WAKE_SECONDS = 2.0
"""Twice the goal for the 99th percentile, which the soak on a cluster measures."""
DELAY = 6.0
START_SECONDS = 15.0
"""From the due time until the handler runs: three times the goal, for a machine with other things to do."""


async def asleep(fleet: LiveFleet, watch: FleetWatch) -> None:
    """No workers, and the next enqueue will be signalled."""

    async def so() -> bool:
        return watch.replicas == 0 and not watch.pods and (await fleet.admin.stats()).asleep

    await until(so, seconds=60)


async def woken(watch: FleetWatch, since: float) -> float:
    """When workers were asked for, monotonic seconds."""
    await until(lambda: watch.reached(1, since) is not None, every=0.01)
    at = watch.reached(1, since)
    assert at is not None
    return at


async def started_at(fleet: LiveFleet, run: int) -> float:
    """When that run (from 1) began, Unix time by the ledger's clock, which is this machine's."""

    async def so() -> bool:
        return (await fleet.ledger()).started >= run

    await until(so, seconds=60)
    return (await fleet.starts())[run - 1].at


async def ended(fleet: LiveFleet, runs: int) -> bool:
    """So many have come to an end."""
    return (await fleet.ledger()).ended >= runs


async def test_an_enqueue_wakes_the_fleet(start_fleet: StartFleet) -> None:
    taken = []
    async with start_fleet() as fleet, FleetWatch(fleet.plane.kubeconfig, fleet.kube.namespace) as watch:
        await fleet.kube.apply(fleet.manifest(scaling=scaling(cooldownSeconds=0, stabilizationWindowSeconds=0)))
        for _ in range(WAKE_UPS):
            await asleep(fleet, watch)
            began = time.monotonic()
            await fleet.enqueue(1, seconds=0)
            taken.append(await woken(watch, began) - began)
    print(f"enqueue → replicas: {sorted(round(one, 3) for one in taken)} s")
    assert max(taken) < WAKE_SECONDS


async def test_a_delayed_job_starts_soon_after_it_is_due_on_an_empty_fleet(start_fleet: StartFleet) -> None:
    async with start_fleet() as fleet, FleetWatch(fleet.plane.kubeconfig, fleet.kube.namespace) as watch:
        await fleet.kube.apply(fleet.manifest())
        await asleep(fleet, watch)
        work = fleet.producer.queue(QUEUE).tasks["work"]
        due = time.time() + DELAY
        await work.options(delay=DELAY).enqueue(seconds=0)
        late = await started_at(fleet, 1) - due
    print(f"due → started: {late:.2f} s")
    assert -0.1 <= late < START_SECONDS


async def test_a_retry_wakes_a_fleet_that_has_gone_meanwhile(start_fleet: StartFleet) -> None:
    async with start_fleet() as fleet, FleetWatch(fleet.plane.kubeconfig, fleet.kube.namespace) as watch:
        await fleet.kube.apply(fleet.manifest(scaling=scaling(cooldownSeconds=0, stabilizationWindowSeconds=0)))
        await asleep(fleet, watch)
        wait = 2 * DELAY
        await fleet.producer.queue(QUEUE).tasks["second_time"].enqueue(name="once", wait=wait)
        due = await started_at(fleet, 1) + wait
        await until(lambda: watch.replicas == 0 and not watch.pods, seconds=wait)
        assert time.time() < due, "too slow a machine: the fleet was not gone before the retry"
        late = await started_at(fleet, 2) - due
        await until(lambda: ended(fleet, 2), seconds=60)
        ledger = await fleet.ledger()
    print(f"retry due → started: {late:.2f} s")
    assert -0.5 <= late < START_SECONDS
    assert ledger.interrupted == 0
