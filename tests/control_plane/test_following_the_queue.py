"""On a real API server, with the chart's rights and real workers: the fleet follows its queue and its spec."""

from __future__ import annotations

import time

from support.kube_client import until
from support.live_fleet import QUEUE, LiveFleet, StartFleet, scaling

COLUMNS = ["NAME", "READY", "REPLICAS", "READY JOBS", "IN FLIGHT", "DEAD", "ROLLOUT", "WHY", "AGE"]


async def ready(fleet: LiveFleet) -> None:
    """The operator has read the queue."""

    async def read() -> bool:
        return (await fleet.kube.condition(QUEUE, "RedisAvailable")).get("status") == "True"

    await until(read)


async def workers(fleet: LiveFleet, count: int, *, seconds: float = 30) -> None:
    """So many pods run, no more and no fewer."""

    async def there() -> bool:
        return await fleet.replicas() == count == len(fleet.kubelet.pods) == len(fleet.pods.names)

    await until(there, seconds=seconds)


async def test_replicas_follow_the_queue_from_zero_and_back(start_fleet: StartFleet) -> None:
    async with start_fleet() as fleet:
        await fleet.kube.apply(fleet.manifest())
        await ready(fleet)
        assert await fleet.replicas() == 0
        await fleet.enqueue(40, seconds=0.5)
        await workers(fleet, 4)
        await workers(fleet, 0)
        ledger = await fleet.ledger()
        assert (ledger.count("ok"), ledger.interrupted, ledger.redelivered) == (40, 0, 0)
        assert list(fleet.pods.exits.values()) == [0] * 4
        status = await fleet.kube.status(QUEUE)
        assert status["lastDecision"]["reason"] == "Idle"
        # Each change of the number has its record, newest first, with the numbers it was made from.
        assert [one["desired"] for one in status["decisions"]][::-1][0] == 4
        assert status["decisions"][-1]["inputs"]["ready"] == 40
        assert status["decisions"][0]["desired"] == 0
        header, line = (await fleet.kube.do("get", "wq")).splitlines()
        assert [column for column in COLUMNS if column not in header] == []
        assert line.split()[:6] == [QUEUE, "True", "0", "0", "0", "0"]


async def test_a_sleeping_fleet_wakes_within_two_seconds(start_fleet: StartFleet) -> None:
    taken = []
    async with start_fleet() as fleet:
        await fleet.kube.apply(fleet.manifest(scaling=scaling(cooldownSeconds=0, stabilizationWindowSeconds=0)))
        await ready(fleet)
        for round_ in range(1, 6):
            await fleet.enqueue(1, seconds=0)
            began = time.time()

            async def decided(since: float = began) -> bool:
                return await fleet.replicas() == 1

            await until(decided, every=0.02)
            taken.append(time.time() - began)

            async def done(jobs: int = round_) -> bool:
                return (await fleet.ledger()).count("ok") == jobs and not fleet.kubelet.pods

            await until(done)
    print(f"enqueue → replicas, kubectl's time included: {sorted(round(one, 2) for one in taken)} s")
    assert max(taken) < 2


async def test_kubectl_scale_pins_the_fleet_until_null_frees_it(start_fleet: StartFleet) -> None:
    async with start_fleet() as fleet:
        await fleet.kube.apply(fleet.manifest())
        await ready(fleet)
        await fleet.kube.do("scale", "wq", QUEUE, "--replicas=2")
        await workers(fleet, 2)
        status = await fleet.kube.status(QUEUE)
        assert status["lastDecision"]["reason"] == "FixedReplicas"
        scale = await fleet.kube.do("get", "wq", QUEUE, "--subresource=scale", "-o=jsonpath={.spec.replicas}")
        assert scale == "2"
        await fleet.kube.do("patch", "wq", QUEUE, "--type=merge", '--patch={"spec":{"replicas":null}}')
        await workers(fleet, 0)
        assert (await fleet.kube.status(QUEUE))["lastDecision"]["reason"] == "Idle"


async def test_a_paused_queue_starts_nothing_and_goes_on_when_resumed(start_fleet: StartFleet) -> None:
    async with start_fleet() as fleet:
        await fleet.kube.apply(fleet.manifest(paused=True))
        await ready(fleet)
        await fleet.enqueue(8, seconds=0)

        async def paused() -> bool:
            condition = await fleet.kube.condition(QUEUE, "Paused")
            jobs = (await fleet.kube.status(QUEUE)).get("queue", {}).get("ready")
            return condition.get("reason") == "PausedBySpec" and jobs == 8

        await until(paused, seconds=45)
        assert await fleet.replicas() == 0
        await fleet.kube.apply(fleet.manifest())

        async def done() -> bool:
            return (await fleet.ledger()).count("ok") == 8

        await until(done)
        reasons = [reason for reason, _ in await fleet.kube.events(QUEUE)]
        assert reasons[0] == "Paused"
        assert {"Resumed", "Scaled"} <= set(reasons)


async def test_a_second_claimant_of_a_queue_is_told_so_and_gets_no_workers(start_fleet: StartFleet) -> None:
    async with start_fleet() as fleet:
        await fleet.kube.apply(fleet.manifest())
        await ready(fleet)
        second = fleet.manifest(scaling=scaling(minReplicas=1))
        second["metadata"]["name"] = "second"
        await fleet.kube.apply(second)

        async def refused() -> bool:
            return (await fleet.kube.condition("second", "Ready")).get("reason") == "QueueOwnedElsewhere"

        await until(refused)
        assert f"{fleet.kube.namespace}/{QUEUE}" in (await fleet.kube.condition("second", "Ready"))["message"]
        assert sum((await fleet.kube.deployed("second")).values()) == 0
        await fleet.kube.do("delete", "wq", QUEUE)

        async def taken_over() -> bool:
            return (await fleet.kube.condition("second", "Ready")).get("status") == "True"

        await until(taken_over)


async def test_redis_down_takes_no_worker_away_and_says_why(start_fleet: StartFleet) -> None:
    async with start_fleet() as fleet:
        await fleet.kube.apply(fleet.manifest(scaling=scaling(minReplicas=0)))
        await ready(fleet)
        await fleet.enqueue(12, seconds=1)
        await workers(fleet, 3)
        fleet.redis.freeze()
        try:

            async def said() -> bool:
                return (await fleet.kube.condition(QUEUE, "RedisAvailable")).get("status") == "False"

            await until(said)
            condition = await fleet.kube.condition(QUEUE, "RedisAvailable")
            assert condition["reason"] == "TimedOut", condition
            # The jobs' time and the cooldown pass, and still nobody goes.
            time_over = time.monotonic() + 6

            async def kept() -> bool:
                assert await fleet.replicas() == 3
                return time.monotonic() > time_over

            await until(kept, every=0.5)
            assert (await fleet.kube.status(QUEUE))["lastDecision"]["reason"] == "StatsUnavailable"
            assert (await fleet.kube.condition(QUEUE, "Ready"))["status"] == "True"
        finally:
            fleet.redis.thaw()
        await ready(fleet)
        await workers(fleet, 0)
        ledger = await fleet.ledger()
        assert ledger.count("ok") == 12
        reasons = [reason for reason, _ in await fleet.kube.events(QUEUE)]
        assert reasons.index("RedisUnavailable") < reasons.index("RedisAvailable")


async def test_the_redis_url_may_come_from_a_secret_that_appears_later(start_fleet: StartFleet) -> None:
    async with start_fleet() as fleet:
        reference = {"name": "queue", "key": "url"}
        await fleet.kube.apply(fleet.manifest(redis={"urlSecretRef": reference}))

        async def unusable() -> bool:
            return (await fleet.kube.condition(QUEUE, "RedisAvailable")).get("reason") == "SecretUnusable"

        await until(unusable)
        await fleet.kube.do("create", "secret", "generic", "queue", f"--from-literal=url={fleet.redis.url}")
        await fleet.enqueue(4, seconds=0)

        async def done() -> bool:
            return (await fleet.ledger()).count("ok") == 4

        await until(done, seconds=60)
        assert fleet.redis.url not in fleet.leader.log
