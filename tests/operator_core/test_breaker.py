"""The breaker through the whole loop: what opens it, what it does, what closes it, and what it leaves alone."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from headrace_operator.api.names import QueueKey
from headrace_operator.api.status import BreakerStatus, WorkerQueueStatus
from headrace_operator.core.conditions import ConditionReason, ConditionType
from headrace_operator.core.decision import Reason
from headrace_operator.core.evidence import Runs
from headrace_operator.core.symptoms import BreakerReason
from headrace_operator.seams.runtime import Trouble, TroubleKind
from support.fleet_rig import FAST, Rig, until
from support.queue_driver import QueueDriver
from support.servers import RedisServer
from support.trial_rig import Trial

QUICK = {"runs": 10, "errorPercent": 50, "windowSeconds": 3600, "coolOffSeconds": 1, "unschedulableSeconds": 60}
AT_ONCE = {"pods": 100, "periodSeconds": 1}


class Ill:
    """A WorkerQueue on a rig, its workers and their jobs."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.queue = QueueDriver(rig.link)
        self.key = QueueKey("default", "emails")
        self.jobs = 0

    def apply(self, breaker: dict[str, Any] | None = None, **spec: Any) -> None:
        scaling = {"maxReplicas": 10, "scaleUp": AT_ONCE, "breaker": {**QUICK, **(breaker or {})}}
        self.key = self.rig.apply(scaling=scaling, **spec)

    async def enqueue(self, count: int) -> None:
        await self.queue.enqueue([f"w{self.jobs + n}" for n in range(count)])
        self.jobs += count

    async def run(self, completed: int = 0, failed: int = 0) -> None:
        """So many jobs are run by a worker, one after the other; the queue must be empty."""
        await self.queue.join("s", version="v")
        for number in range(completed + failed):
            self.jobs += 1
            name = f"r{self.jobs}"
            await self.queue.enqueue([name])
            got = await self.queue.exchange("s", 1, version="v")
            assert got.ids == (name,)
            bury = ("bury", name, got.claim, "t", "ValueError", "record", "print", "traceback", 1)
            if number < completed:
                await self.queue.exchange("s", done=got.done, version="v")
            else:
                await self.queue.exchange("s", others=[bury], version="v")

    async def work_off(self) -> None:
        """All that waits succeeds."""
        got = await self.queue.exchange("s", 1000, version="v")
        await self.queue.exchange("s", done=got.done, version="v")

    async def later(self, seconds: float) -> None:
        """So much time passes for the operator, and it looks."""
        self.rig.ahead += seconds
        looks = self.rig.live.reconciles

        async def looked() -> bool:
            self.rig.controller.wake(self.key)
            return self.rig.live.reconciles > looks + 1

        await until("it has looked", looked)

    async def counted(self, completed: int, failed: int) -> None:
        """Wait until the operator has taken in so many runs, of all time."""

        async def is_so() -> bool:
            window = self.rig.controller.records[self.key].recent.window
            return window is not None and window.counts.get("v") == Runs(completed, failed)

        await until(f"{completed} and {failed} runs are counted", is_so)

    async def fails(self, kind: TroubleKind, message: str, ago: float = 0.0) -> None:
        """Workers that aren't ready have that trouble."""
        [version] = await self.rig.runtime.versions(self.key)
        self.rig.runtime.fail(self.key, version.hash, message, trouble=Trouble(kind, time.time() - ago))

    async def heals(self) -> None:
        [version] = await self.rig.runtime.versions(self.key)
        self.rig.runtime.fail(self.key, version.hash, None)
        self.rig.runtime.start(self.key)

    async def is_open(self, reason: BreakerReason) -> BreakerStatus:
        def said(status: WorkerQueueStatus) -> bool:
            return status.breaker is not None and (status.breaker.state, status.breaker.reason) == ("Open", reason)

        status = await self.rig.says(self.key, f"the breaker is open for {reason}", said)
        assert status.breaker is not None
        await self.rig.reason(self.key, ConditionType.BREAKER_OPEN, reason)
        return status.breaker

    async def is_closed(self) -> None:
        await self.rig.reason(self.key, ConditionType.BREAKER_OPEN, ConditionReason.BREAKER_CLOSED)

    async def decides(self, reason: Reason) -> WorkerQueueStatus:
        def said(status: WorkerQueueStatus) -> bool:
            return status.last_decision is not None and status.last_decision.reason == reason

        return await self.rig.says(self.key, f"the decision is {reason}", said)

    @property
    def recent(self) -> int | None:
        """Runs that ended within the window, as far as the operator knows."""
        window = self.rig.controller.records[self.key].recent.window
        return None if window is None else window.runs.finished

    @property
    def told(self) -> list[str]:
        return [event.reason for event in self.rig.objects.events if event.reason.startswith("Breaker")]

    @property
    def now(self) -> BreakerStatus | None:
        return self.rig.live.statuses[self.key].breaker


@pytest.fixture
async def ill(redis_url: str) -> AsyncIterator[Ill]:
    made = Ill(Rig(redis_url, FAST))
    made.rig.runtime.instant = False
    yield made
    await made.rig.link.close()


LOOP, SPIKE, NO_NODE = BreakerReason.CRASH_LOOP, BreakerReason.FAILURE_SPIKE, BreakerReason.UNSCHEDULABLE


@pytest.mark.parametrize(
    ("kind", "ago", "reason", "said"),
    [
        (TroubleKind.CRASH_LOOP, 0.0, LOOP, "2 of 2 workers crash again and again: exit code 1"),
        (TroubleKind.UNSCHEDULABLE, 61.0, NO_NODE, "no node for 2 workers within 60 s: exit code 1"),
    ],
)
async def test_troubles_of_workers_stop_growth_until_they_are_gone(
    ill: Ill, kind: TroubleKind, ago: float, reason: BreakerReason, said: str
) -> None:
    ill.apply()
    async with ill.rig.running():
        await ill.enqueue(15)
        await ill.rig.has_workers(ill.key, 2)
        await ill.fails(kind, "exit code 1", ago)
        opened = await ill.is_open(reason)
        assert (opened.message, opened.clear_time) == (said, None)
        await ill.enqueue(300)
        status = await ill.decides(Reason.BREAKER_OPEN)
        assert status.last_decision is not None
        assert (status.last_decision.desired, status.last_decision.limited_by) == (2, "scaling.breaker")
        assert await ill.rig.workers(ill.key) == 2
        healed = time.time()
        await ill.heals()
        status = await ill.rig.says(
            ill.key, "it is known to be gone", lambda now: bool(now.breaker and now.breaker.retry_time)
        )
        assert status.breaker is not None
        assert (status.breaker.state, status.breaker.since_time) == ("Open", opened.since_time)
        await ill.is_closed()
        assert time.time() - healed >= 1, "not before the cool-off"
        await ill.rig.has_workers(ill.key, 10)
    assert ill.told == ["BreakerOpened", "BreakerClosed"]


async def test_a_worker_that_has_just_asked_for_a_node_may_wait_for_it(ill: Ill) -> None:
    ill.apply()
    async with ill.rig.running():
        await ill.enqueue(15)
        await ill.rig.has_workers(ill.key, 2)
        await ill.fails(TroubleKind.UNSCHEDULABLE, "no cpu", ago=30)
        await ill.rig.reason(ill.key, ConditionType.PROGRESSING, ConditionReason.VERSION_FAILING)
        await ill.enqueue(300)
        await ill.decides(Reason.MAX_REPLICAS)
        await ill.is_closed()
    assert ill.told == []


async def test_a_spike_of_failures_stops_growth_until_runs_succeed_again(ill: Ill) -> None:
    ill.rig.runtime.instant = True
    ill.apply()
    async with ill.rig.running():
        await ill.run(completed=19, failed=1)
        await ill.counted(19, 1)
        await ill.later(3600)
        assert ill.recent == 0, "those are usual"
        await ill.run(completed=1, failed=9)
        opened = await ill.is_open(SPIKE)
        assert opened.message == "9 of 10 runs within 3600 s failed, 5 % are usual"
        assert opened.usual_percent == 5
        await ill.enqueue(300)
        status = await ill.decides(Reason.BREAKER_OPEN)
        assert status.last_decision is not None
        assert status.last_decision.desired == await ill.rig.workers(ill.key) == 1
        await ill.work_off()
        await ill.is_closed()
        await ill.enqueue(300)
        await ill.rig.has_workers(ill.key, 10)
    assert ill.told == ["BreakerOpened", "BreakerClosed"]


async def spiked(ill: Ill, **spec: Any) -> None:
    """Open for a spike, in a fleet without any worker or job."""
    ill.rig.runtime.instant = True
    ill.apply(**spec)
    await ill.queue.join("s", version="v")
    await ill.run(completed=1)
    await ill.counted(1, 0)
    await ill.run(failed=10)
    await ill.is_open(SPIKE)


async def test_another_leader_goes_on_where_the_last_one_ended(ill: Ill) -> None:
    async with ill.rig.running():
        await spiked(ill)
        before = ill.now
    assert before is not None
    ill.rig.live.statuses.clear()
    async with ill.rig.running():
        await ill.enqueue(300)
        await ill.decides(Reason.BREAKER_OPEN)
        await ill.counted(1, 10)
        assert ill.now == before, "it has seen too few runs to tell that the spike is over"
        await ill.work_off()
        await ill.is_closed()
    assert ill.told == ["BreakerOpened", "BreakerClosed"]


async def test_from_zero_one_worker_may_run(ill: Ill) -> None:
    async with ill.rig.running():
        await spiked(ill)
        await ill.rig.has_workers(ill.key, 0)
        await ill.enqueue(300)
        await ill.rig.has_workers(ill.key, 1)
        status = await ill.decides(Reason.BREAKER_OPEN)
        assert status.last_decision is not None
        assert status.last_decision.message.endswith("; the breaker is open (FailureSpike), so no more than 1")


async def test_a_pin_adds_workers_though_it_is_open(ill: Ill) -> None:
    async with ill.rig.running():
        await spiked(ill)
        ill.apply(replicas=4)
        await ill.rig.has_workers(ill.key, 4)
        await ill.is_open(SPIKE)


async def test_so_does_the_minimum(ill: Ill) -> None:
    async with ill.rig.running():
        await spiked(ill)
        ill.rig.apply(scaling={"maxReplicas": 10, "minReplicas": 3, "breaker": QUICK})
        await ill.enqueue(300)
        await ill.rig.has_workers(ill.key, 3)
        await ill.decides(Reason.BREAKER_OPEN)


async def test_a_paused_queue_proves_nothing(ill: Ill) -> None:
    async with ill.rig.running():
        await spiked(ill)
        ill.apply(paused=True)
        await ill.rig.reason(ill.key, ConditionType.PAUSED, ConditionReason.PAUSED_BY_SPEC)
        await ill.later(3600)
        assert ill.recent == 0
        assert ill.now is not None
        assert (ill.now.state, ill.now.retry_time) == ("Open", None)
        ill.apply()
        await ill.is_closed()


async def test_without_breaker_nothing_stops_growth(ill: Ill) -> None:
    async with ill.rig.running():
        await spiked(ill)
        ill.apply({"enabled": False})
        await ill.enqueue(300)
        await ill.rig.has_workers(ill.key, 10)
        assert ill.now is None
        assert ill.rig.condition(ill.key, ConditionType.BREAKER_OPEN) is None
    assert ill.told == ["BreakerOpened", "BreakerClosed"]


async def test_what_workers_do_while_redis_is_away_opens_nothing() -> None:
    with RedisServer(aof="always") as server:
        ill = Ill(Rig(server.url, FAST))
        ill.rig.runtime.instant = False
        ill.apply()
        async with ill.rig.running():
            await ill.enqueue(15)
            await ill.rig.has_workers(ill.key, 2)
            server.stop()
            await ill.rig.says(
                ill.key, "Redis is away", lambda now: any(c.reason == "Unreachable" for c in now.conditions)
            )
            await ill.fails(TroubleKind.CRASH_LOOP, "exit code 2")
            await ill.rig.reason(ill.key, ConditionType.PROGRESSING, ConditionReason.VERSION_FAILING)
            assert ill.told == []
            server.start()
            await ill.rig.reason(ill.key, ConditionType.REDIS_AVAILABLE, ConditionReason.REACHABLE)
            assert await _closed_looks(ill) == []
            await ill.fails(TroubleKind.CRASH_LOOP, "exit code 2")
            await ill.is_open(LOOP)


async def _closed_looks(ill: Ill) -> list[str]:
    """What is told within a few more looks."""
    looks = ill.rig.live.reconciles

    async def looked() -> bool:
        return ill.rig.live.reconciles > looks + 5

    await until("it was looked at a few times", looked)
    return ill.told


GATE = {"gate": {"jobs": 900, "errorPercent": 100, "timeoutSeconds": 500}, "progressDeadlineSeconds": 600}


async def test_what_a_version_on_trial_fails_is_the_gates_matter(redis_url: str) -> None:
    trial = Trial(redis_url)
    scaling = {"minReplicas": 1, "maxReplicas": 10, "scaleUp": AT_ONCE, "breaker": {**QUICK, "runs": 3}}
    trial.apply("one", rollout=GATE, scaling=scaling)
    async with trial.rig.running():
        await trial.has(one=1)
        await trial.work("one", 1)
        trial.apply("two", rollout=GATE, scaling=scaling)
        await trial.has(one=1, two=1)
        await trial.work("two", 8, "bury")
        await trial.rig.says(trial.key, "they are counted", lambda now: bool(now.rollout and now.rollout.failed == 8))
        new = await trial.hash_of("two")
        trial.rig.runtime.fail(trial.key, new, "exit code 1", trouble=Trouble(TroubleKind.CRASH_LOOP, time.time()))
        await trial.queue.enqueue([f"w{n}" for n in range(50)])
        await trial.has(one=5, two=1)
        await trial.rig.reason(trial.key, ConditionType.BREAKER_OPEN, ConditionReason.BREAKER_CLOSED)
    assert "BreakerOpened" not in trial.told
