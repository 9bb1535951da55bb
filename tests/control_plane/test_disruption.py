"""K8 on a real API server: evictions go through a budget that the operator keeps, and pass by workers in long jobs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager, suppress
from typing import Any

from e2e.load.presence import Crowd, FakeWorker

from headrace.contract.protocol import PROTOCOL
from headrace.wire.link import Link
from headrace.wire.target import parse_target
from headrace_operator.api.names import PROTECTED_ANNOTATION
from headrace_operator.runtimes.kubernetes.marks import MARKS
from headrace_operator.runtimes.kubernetes.pods import is_deleted
from support.kube_client import KubeClient, until
from support.kubectl import KubectlFailed
from support.live_fleet import QUEUE, LiveFleet, StartFleet, scaling
from support.presences import presence

WORKERS = 3
NO_LONGER = "not found"
LATER = ("Cannot evict pod", "TooManyRequests")
"""What the API server answers while the budget is used up."""


async def pods(fleet: LiveFleet) -> list[dict[str, Any]]:
    return await fleet.kube.objects("pods", f"-l=headrace.dev/queue={QUEUE}")


def serves(pod: dict[str, Any]) -> bool:
    """Ready, and not on its way out."""
    conditions = pod["status"].get("conditions", ())
    return not is_deleted(pod) and any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


async def evict(kube: KubeClient, name: str) -> bool:
    """Ask once, as kubectl drain does; whether it was granted, or the pod is gone already."""
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": kube.namespace}}
    path = f"/api/v1/namespaces/{kube.namespace}/pods/{name}/eviction"
    try:
        await kube.do("create", f"--raw={path}", "-f", "-", stdin=json.dumps(body))
    except KubectlFailed as exc:
        if NO_LONGER in str(exc):
            return True
        if any(words in str(exc) for words in LATER):
            return False
        raise
    return True


async def evict_until_gone(kube: KubeClient, name: str) -> int:
    """How often the budget has said no."""
    refused = 0
    async with asyncio.timeout(80):
        while not await evict(kube, name):
            refused += 1
            await asyncio.sleep(0.1)
    return refused


@asynccontextmanager
async def fewest_serving(fleet: LiveFleet) -> AsyncIterator[list[int]]:
    """How many workers serve, counted again and again within the block."""
    counts: list[int] = []

    async def count() -> None:
        while True:
            counts.append(sum(map(serves, await pods(fleet))))

    counting = asyncio.create_task(count())
    try:
        yield counts
    finally:
        counting.cancel()
        with suppress(asyncio.CancelledError):
            await counting


async def all_serve(fleet: LiveFleet, but: Collection[str] = ()) -> list[str]:
    """Wait until the fleet is complete, without `but`; its pods."""
    names: list[str] = []

    async def complete() -> bool:
        found = await pods(fleet)
        names[:] = [pod["metadata"]["name"] for pod in found if serves(pod)]
        return len(names) == len(found) == WORKERS and not set(but) & set(names)

    await until(complete, seconds=60)
    return names


async def test_a_drain_of_all_nodes_at_once_takes_one_worker_after_the_other_and_no_job(
    start_fleet: StartFleet,
) -> None:
    async with start_fleet() as fleet:
        await fleet.kube.apply(fleet.manifest(replicas=WORKERS))
        await budget(fleet, lambda spec: spec is not None)
        names = await all_serve(fleet)
        await fleet.enqueue(240, seconds=1)

        async def busy() -> bool:
            return (await fleet.ledger()).count("running") == WORKERS * 4

        await until(busy)
        async with fewest_serving(fleet) as counts:
            refused = await asyncio.gather(*(evict_until_gone(fleet.kube, name) for name in names))
            await all_serve(fleet, but=names)
        assert min(counts) >= WORKERS - 1, "the budget lets one go at a time"
        assert sum(refused) > 0, "it was asked for more than it gives"

        async def done() -> bool:
            return (await fleet.ledger()).count("ok") == 240

        await until(done, seconds=60)
        ledger = await fleet.ledger()
        assert (ledger.interrupted, ledger.redelivered) == (0, 0)
        assert [fleet.pods.exits[name] for name in names] == [0] * WORKERS
        assert fleet.kubelet.overdue == []
        print(f"{len(names)} busy workers evicted, {sum(refused)} refusals, at least {min(counts)} served")


async def budget(fleet: LiveFleet, is_so: Callable[[dict[str, Any] | None], bool]) -> dict[str, Any]:
    """Wait until the spec of the fleet's budget is so, None for no budget; the budget."""
    found: dict[str, Any] = {}

    async def as_wanted() -> bool:
        listed = await fleet.kube.objects("poddisruptionbudgets", f"-l=headrace.dev/queue={QUEUE}")
        found.clear()
        found.update(listed[0] if listed else {})
        return is_so(found.get("spec"))

    await until(as_wanted)
    return found


async def test_the_budget_follows_the_spec_is_mended_and_goes_with_its_queue(start_fleet: StartFleet) -> None:
    async with start_fleet() as fleet:
        kube = fleet.kube
        await kube.apply(fleet.manifest())
        made = await budget(fleet, lambda spec: spec is not None)
        assert made["metadata"]["name"] == QUEUE
        assert made["metadata"]["ownerReferences"][0]["kind"] == "WorkerQueue"
        assert made["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"
        spoilt = {"spec": {"maxUnavailable": 7, "selector": {"matchLabels": {"app": "x"}}}}
        await kube.do("patch", "pdb", QUEUE, "--type=merge", "-p", json.dumps(spoilt))
        await budget(fleet, lambda spec: spec == made["spec"])
        await kube.do("delete", "pdb", QUEUE)
        await budget(fleet, lambda spec: spec == made["spec"])
        await kube.apply(fleet.manifest(disruption={"maxUnavailable": "50%"}))
        await budget(fleet, lambda spec: spec is not None and spec["maxUnavailable"] == "50%")
        await kube.apply(fleet.manifest(disruption={"podDisruptionBudget": False}))
        await budget(fleet, lambda spec: spec is None)
        await kube.apply(fleet.manifest())
        await budget(fleet, lambda spec: spec is not None)
        await kube.do("delete", "wq", QUEUE)

        async def gone() -> bool:
            return not await kube.objects("poddisruptionbudgets")

        await until(gone, seconds=60)  # the garbage collector takes half a minute to learn of a new CRD


async def test_a_budget_of_somebody_else_is_left_alone_and_holds_nothing_up(start_fleet: StartFleet) -> None:
    async with start_fleet() as fleet:
        await fleet.kube.do("create", "poddisruptionbudget", QUEUE, "--selector=app=theirs", "--min-available=1")
        await fleet.kube.apply(fleet.manifest(scaling=scaling(minReplicas=1)))

        async def complained() -> bool:
            return f"there is a PodDisruptionBudget {QUEUE} already" in fleet.leader.log and bool(fleet.pods.names)

        await until(complained)
        [theirs] = await fleet.kube.objects("poddisruptionbudgets")
        assert theirs["spec"] == {"minAvailable": 1, "selector": {"matchLabels": {"app": "theirs"}}}


async def test_a_long_job_marks_its_worker_and_its_end_unmarks_it(start_fleet: StartFleet) -> None:
    async with start_fleet() as fleet:
        await fleet.kube.apply(fleet.manifest(replicas=WORKERS, disruption={"protectAfterSeconds": 1}))
        await all_serve(fleet)
        await fleet.hold("long", 1)

        async def marked() -> list[str]:
            found = [pod["metadata"] for pod in await pods(fleet)]
            protected = [one for one in found if PROTECTED_ANNOTATION in one.get("annotations", {})]
            assert all(MARKS.items() <= one["annotations"].items() for one in protected)
            return [one["name"] for one in protected]

        await until(marked)
        assert len(await marked()) == 1
        assert (await fleet.ledger()).count("running") == 1
        await fleet.open("long")

        async def nobody() -> bool:
            annotations = [pod["metadata"].get("annotations", {}) for pod in await pods(fleet)]
            return not any({*MARKS, PROTECTED_ANNOTATION} & set(one) for one in annotations)

        await until(nobody)
        assert (await fleet.ledger()).count("ok") == 1


async def test_a_newer_worker_is_named_and_nobody_is_taken_away(start_fleet: StartFleet) -> None:
    async with start_fleet() as fleet:
        await fleet.kube.apply(fleet.manifest())
        await fleet.enqueue(12, seconds=1)

        async def three() -> bool:
            return await fleet.replicas() == WORKERS

        await until(three)
        newer = PROTOCOL + 1
        stranger = presence("from-the-future", version="v9", slots=1, protocol=newer)
        link = Link(parse_target(fleet.redis.url))
        await Crowd(link, QUEUE).join([FakeWorker(stranger, lease_seconds=600)])
        await link.close()

        async def told() -> bool:
            return (await fleet.kube.condition(QUEUE, "RedisAvailable")).get("reason") == "ProtocolMismatch"

        await until(told)
        message = (await fleet.kube.condition(QUEUE, "RedisAvailable"))["message"]
        assert f"worker from-the-future speaks protocol {newer}" in message
        assert "upgrade the operator" in message

        async def done() -> bool:
            return (await fleet.ledger()).count("ok") == 12

        await until(done)
        assert await fleet.replicas() == WORKERS
        assert "RedisUnavailable" in [reason for reason, _ in await fleet.kube.events(QUEUE)]
