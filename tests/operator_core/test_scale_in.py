"""A fleet that shrinks: idle workers go first, busy ones finish what they have, and nobody stays cordoned."""

from __future__ import annotations

import logging

import pytest

from headrace_operator.api.names import QueueKey
from headrace_operator.core.conditions import ConditionReason, ConditionType
from support.fleet_rig import GATED, Rig, until
from support.seeding import Seeder


class Crew:
    """One real session for each worker of a rig, which claims jobs when told."""

    def __init__(self, rig: Rig, key: QueueKey, queue: str = "q") -> None:
        self._rig, self._key, self._queue = rig, key, queue
        self.sessions: dict[str, Seeder] = {}

    async def come(self, count: int) -> list[str]:
        """Wait for so many workers and join for each; their names, the oldest first."""
        await self._rig.has_workers(self._key, count)
        workers = [worker.id for worker in await self._rig.runtime.workers(self._key)]
        for worker in workers:
            if worker not in self.sessions:
                self.sessions[worker] = self._rig.seeder(self._queue, f"s-{worker}")
                await self.sessions[worker].join(worker=worker)
        return workers

    async def take(self, worker: str, *jobs: str) -> None:
        """Enqueue these, claim them, and wait until the operator has read of them: until then it takes another for
        the better choice, and stays with that."""
        await self.sessions[worker].enqueue(*jobs)
        assert sorted(await self.sessions[worker].exchange(len(jobs))) == sorted(jobs)
        held = (await self._rig.admin(self._queue).stats()).leased
        await self._rig.says(
            self._key, f"{held} are leased", lambda now: now.queue is not None and now.queue.leased == held
        )

    async def finish(self, worker: str, *jobs: str) -> None:
        """All that `take` claimed last."""
        session = self.sessions[worker]
        claim = session.claim
        await session.ask(0, *(["done", job, claim, 0] for job in jobs))

    async def cordoned(self) -> set[str]:
        """Workers that get nothing."""
        return {one.worker for one in (await self._rig.admin(self._queue).stats()).workers if one.cordoned}

    async def aimed(self) -> set[str]:
        """Workers that would be the first to go."""
        return {worker.id for worker in await self._rig.runtime.workers(self._key) if worker.aimed}

    async def left(self) -> set[str]:
        """Workers that are there."""
        return {worker.id for worker in await self._rig.runtime.workers(self._key)}

    async def is_free(self) -> None:
        """Wait until nobody is cordoned or aimed at."""

        async def is_so() -> bool:
            return not await self.cordoned() and not await self.aimed()

        await until("nobody is cordoned or aimed at", is_so)

    async def is_cordoned(self, *workers: str) -> None:
        """Wait until these are, and no others."""

        async def is_so() -> bool:
            return await self.cordoned() == set(workers)

        await until(f"{workers} are cordoned", is_so)


async def test_idle_workers_go_and_the_busy_one_stays(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "headrace_operator")
    key = rig.apply(replicas=3)
    async with rig.running():
        crew = Crew(rig, key)
        first, busy, last = await crew.come(3)
        await crew.take(busy, "a", "b")
        rig.apply(replicas=1)
        await rig.has_workers(key, 1)
        assert await crew.left() == {busy}
        await rig.reason(key, ConditionType.PROGRESSING, ConditionReason.UP_TO_DATE)
        await crew.is_free()

        async def told() -> bool:
            return any(line.startswith(f"{key}: scaled in") for line in caplog.messages)

        await until("who went is told", told)
    [fields] = [record.__dict__["fields"] for record in caplog.records if "fields" in record.__dict__]
    assert fields == {"queue": str(key), "idle": tuple(sorted((first, last))), "drained": (), "others": ()}


async def test_without_an_idle_one_the_least_busy_becomes_it(rig: Rig) -> None:
    key = rig.apply(replicas=2)
    async with rig.running():
        crew = Crew(rig, key)
        old, young = await crew.come(2)
        await crew.take(old, "a")
        await crew.take(young, "b", "c")
        rig.apply(replicas=1)
        await crew.is_cordoned(old)
        status = await rig.says(key, "it waits", lambda now: "1 leave once idle" in now.conditions[1].message)
        assert f"waiting for {old} (1 job)" in status.conditions[1].message
        await rig.reason(key, ConditionType.PROGRESSING, ConditionReason.SCALING)
        assert await rig.workers(key) == 2
        await crew.sessions[young].enqueue("d")
        assert (await crew.sessions[old].ask(1))[0] == b"CORDONED"
        await crew.sessions[old].ask(0, ["done", "a", "0.2", 0])
        await rig.has_workers(key, 1)
        assert await crew.left() == {young}
        await crew.is_free()


async def test_beside_a_canary_too_the_busy_one_stays(redis_url: str) -> None:
    rig = Rig(redis_url, GATED)
    key = rig.apply(worker={"app": "one"}, replicas=3)
    async with rig.running():
        crew = Crew(rig, key)
        idle, _, youngest = await crew.come(3)
        await crew.take(youngest, "a")
        key = rig.apply(worker={"app": "two"}, replicas=3)
        await rig.reason(key, ConditionType.PROGRESSING, ConditionReason.CANARY)
        await rig.has_workers(key, 4)
        rig.apply(worker={"app": "two"}, replicas=1)
        await rig.has_workers(key, 2)
        left = await crew.left()
        assert youngest in left
        assert idle not in left
        await rig.reason(key, ConditionType.PROGRESSING, ConditionReason.CANARY)
        await crew.is_free()


async def test_more_work_meanwhile_sets_everybody_free(rig: Rig) -> None:
    key = rig.apply(replicas=3)
    async with rig.running():
        crew = Crew(rig, key)
        workers = await crew.come(3)
        for worker in workers:
            await crew.take(worker, f"job-{worker}")
        rig.apply(replicas=2)
        await crew.is_cordoned(workers[0])
        rig.apply(replicas=3)
        await crew.is_free()
        rig.apply(replicas=2)
        await crew.is_cordoned(workers[0])
        rig.apply(replicas=4)
        await rig.has_workers(key, 4)
        await crew.is_free()
        assert set(workers) < await crew.left()


@pytest.mark.parametrize("wanted", [1, 2])
async def test_another_operator_goes_on_with_it_or_takes_it_back(rig: Rig, wanted: int) -> None:
    key = rig.apply(replicas=2)
    crew = Crew(rig, key)
    async with rig.running():
        workers = await crew.come(2)
        await crew.take(workers[0], "a")
        await crew.take(workers[1], "b", "c")
        rig.apply(replicas=1)
        await crew.is_cordoned(workers[0])
    rig.apply(replicas=wanted)
    await rig.runtime.aim(key, [workers[0]])
    async with rig.running():
        if wanted == 1:
            await crew.finish(workers[0], "a")
        await rig.has_workers(key, wanted)
        await crew.is_free()
        assert await crew.left() == (set(workers) if wanted == 2 else {workers[1]})


async def test_a_cordon_lapses_when_no_operator_comes(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headrace_operator.reconcile.scale_in.CORDON_SECONDS", 0.5)
    key = rig.apply(replicas=2)
    crew = Crew(rig, key)
    async with rig.running():
        workers = await crew.come(2)
        for worker in workers:
            await crew.take(worker, f"job-{worker}")
        rig.apply(replicas=1)
        await crew.is_cordoned(workers[0])
    await crew.is_cordoned()
    await rig.link.close()


async def test_a_job_that_outlasts_patience_is_drained(rig: Rig) -> None:
    key = rig.apply(replicas=2, drain={"graceSeconds": 1})
    async with rig.running():
        crew = Crew(rig, key)
        old, young = await crew.come(2)
        await crew.take(old, "a")
        await crew.take(young, "b", "c")
        rig.apply(replicas=1, drain={"graceSeconds": 1})
        await rig.has_workers(key, 1)
        assert await crew.left() == {young}
        assert ("aim", old) in rig.runtime.calls
        await crew.is_free()


async def test_idle_means_on_every_queue(rig: Rig) -> None:
    queues = [{"name": "q"}, {"name": "other"}]
    key = rig.apply(replicas=2, queues=queues)
    async with rig.running():
        crew, also = Crew(rig, key), Crew(rig, key, "other")
        await crew.come(2)
        busy, idle = await also.come(2)
        await also.take(busy, "a")
        rig.apply(replicas=1, queues=queues)
        await rig.has_workers(key, 1)
        assert await crew.left() == {busy}
        await crew.is_free()
        await also.is_free()
        assert ("aim", idle) in rig.runtime.calls


async def test_a_queue_that_cannot_be_read_holds_it_up(rig: Rig) -> None:
    queues = [{"name": "q"}, {"name": "bad"}]
    key = rig.apply(replicas=2, queues=queues)
    async with rig.running():
        crew = Crew(rig, key)
        await crew.come(2)
        await rig.link.request("SET", "hr:{bad}:sched", "not a zset")
        await rig.says(key, "a queue is unknown", lambda now: now.conditions[-1].status == "False")
        rig.apply(replicas=1, queues=queues)
        await rig.says(key, "it waits", lambda now: "once it is known" in now.conditions[1].message)
        assert await rig.workers(key) == 2
        assert await crew.cordoned() == set()
        rig.apply(replicas=3, queues=queues)
        await rig.has_workers(key, 3)


async def test_a_fleet_that_ends_altogether_waits_for_nobody(rig: Rig) -> None:
    key = rig.apply(replicas=2)
    async with rig.running():
        crew = Crew(rig, key)
        worker, _ = await crew.come(2)
        await crew.take(worker, "a")
        rig.apply(replicas=0)
        await rig.has_workers(key, 0)
        assert not [call for call in rig.runtime.calls if call[0] == "aim"]
