"""The executor's promise: however a run is stopped, and whenever, it ends in one outcome and gives its slot back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from headrace import Context, Fleet
from headrace.contract.envelope import Envelope, encode, header
from headrace.worker.executor import Executor
from headrace.worker.outcome import Abandoned, Buried, Cancelled, Done, Outcome, Released, Retried
from headrace.worker.plan import compile_plans
from headrace.worker.run import Run, Stop
from support.worker_parts import make_parts

PAYLOAD = b"\x92\x90\x80"
Handler = Callable[[], Awaitable[Any]]


@dataclass
class Stage:
    """An executor with one task `t`, and what it has settled."""

    fleet: Fleet
    handler: Handler
    settled: list[tuple[Run, Outcome]] = field(default_factory=list)

    def open(self) -> Executor:
        self.fleet.queue("q").task(name="t", max_retries=1)(self.handler)
        parts = make_parts(self.fleet)
        return Executor("q", parts, compile_plans(self.fleet, "q", parts), lambda *said: self.settled.append(said[:2]))

    async def outcomes(self, count: int = 1) -> list[Outcome]:
        async with asyncio.timeout(5):
            while len(self.settled) < count:
                await asyncio.sleep(0.001)
        return [outcome for _, outcome in self.settled]


def job(claim: str = "0.1") -> Run:
    return Run("j", encode(header("t"), Envelope(1, PAYLOAD)), claim, 5, 0)


async def sleeps() -> None:
    await asyncio.sleep(60)


@pytest.mark.parametrize(
    ("why", "outcome"), [(Stop.LOST, Abandoned), (Stop.CANCEL, Cancelled), (Stop.SHUTDOWN, Released)]
)
@pytest.mark.parametrize("steps", [0, 1, 5])
async def test_a_stop_is_heard_also_before_the_first_step(why: Stop, outcome: type[Outcome], steps: int) -> None:
    stage = Stage(Fleet(), sleeps)
    executor = stage.open()
    executor.start(job(), "s")
    for _ in range(steps):
        await asyncio.sleep(0)
    executor.stop_all(why)
    assert [type(one) for one in await stage.outcomes()] == [outcome]
    assert not executor.running


async def test_a_timeout_before_the_first_step_is_a_failure() -> None:
    stage = Stage(Fleet(), sleeps)
    executor = stage.open()
    executor.start(job(), "s")
    executor.stop_all(Stop.TIMEOUT)
    (outcome,) = await stage.outcomes()
    assert isinstance(outcome, Retried)
    assert outcome.error.startswith("TimeoutError")


async def _sour() -> None:
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        raise ValueError("sour") from None


@pytest.mark.parametrize(
    ("why", "outcome"),
    [(Stop.LOST, Abandoned), (Stop.CANCEL, Cancelled), (Stop.SHUTDOWN, Released), (Stop.TIMEOUT, Retried)],
)
async def test_an_error_in_answer_to_a_stop_is_charged_only_after_a_timeout(why: Stop, outcome: type[Outcome]) -> None:
    stage = Stage(Fleet(), _sour)
    executor = stage.open()
    executor.start(job(), "s")
    await asyncio.sleep(0.01)
    executor.stop_all(why)
    assert [type(one) for one in await stage.outcomes()] == [outcome]


async def test_a_lease_lost_during_a_hook_leaves_nothing_to_say() -> None:
    fleet, reached = Fleet(), asyncio.Event()

    @fleet.on_job_complete
    async def hook(context: Context) -> None:
        reached.set()
        await asyncio.sleep(60)

    async def quick() -> None: ...

    stage = Stage(fleet, quick)
    executor = stage.open()
    executor.start(job(), "s")
    await reached.wait()
    executor.stop_all(Stop.LOST)
    assert [type(one) for one in await stage.outcomes()] == [Abandoned]


async def test_a_job_lost_and_claimed_again_here_runs_beside_its_old_run() -> None:
    """The old run takes its time to end: it must neither settle, nor take the new one's place with it."""
    begun: list[asyncio.Event] = []

    async def slow_to_leave() -> None:
        mine = asyncio.Event()
        begun.append(mine)
        try:
            await mine.wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0.05)
            raise

    stage = Stage(Fleet(), slow_to_leave)
    executor = stage.open()
    old, new = job("0.1"), job("0.1")
    executor.start(old, "s1")
    await asyncio.sleep(0.01)
    executor.stop_all(Stop.LOST)
    await asyncio.sleep(0.01)
    executor.start(new, "s2")
    await stage.outcomes(1)
    assert executor.running == {"j": new}
    begun[1].set()
    await stage.outcomes(2)
    assert [(run is new, type(outcome)) for run, outcome in stage.settled] == [(False, Abandoned), (True, Done)]
    assert not executor.running


async def test_an_error_of_ours_costs_the_job_not_the_slot(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails() -> None:
        raise ValueError("x")

    stage = Stage(Fleet(), fails)
    executor = stage.open()
    calls: list[BaseException] = []

    def breaks_once(error: BaseException) -> str:
        calls.append(error)
        if len(calls) == 1:
            raise RuntimeError("a bug of ours")
        return "described"

    monkeypatch.setattr("headrace.worker.executor.describe", breaks_once)
    executor.start(job(), "s")
    (outcome,) = await stage.outcomes()
    assert isinstance(outcome, Buried)
    assert outcome.reason == "InternalError"
    assert not executor.running
