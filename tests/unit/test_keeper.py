"""Leases that Redis counts and nobody here knows are mended; what only seems so for a moment is left alone."""

from __future__ import annotations

import pytest

from headrace.brokers.redis import RedisBroker, RedisSource
from headrace.wire.commands import Argument, Reply
from headrace.wire.link import Link
from headrace.wire.target import Target
from headrace.worker.executor import Executor
from headrace.worker.keeper import Keeper
from headrace.worker.outbox import Outbox
from headrace.worker.outcome import DONE, Outcome
from headrace.worker.renewal import Renewal, Renewed
from headrace.worker.run import Run
from headrace.worker.session import Session
from support.worker_parts import make_parts

HELD = {"j": "0.7"}


class Held(Link):
    """Answers with what Redis holds for the session; counts the joins it is asked for."""

    def __init__(self) -> None:
        super().__init__(Target())
        self.leases = dict(HELD)
        self.joins = 0

    async def request(self, *args: Argument, timeout: float | None = None, at: str | None = None) -> Reply:
        return [part.encode() for pair in self.leases.items() for part in pair]

    async def run(self, name: str, prefix: str, *args: Argument, timeout: float | None = None) -> Reply:
        self.joins += 1
        return [b"OK", 1]


class Desk:
    """A keeper with nothing but its outbox, and what is said to be under way."""

    def __init__(self) -> None:
        self.parts, self.outbox, self.link = make_parts(), Outbox(), Held()
        self.executor = Executor("q", self.parts, {}, self._settle)
        self.under_way: set[tuple[str, str]] = set()
        self.keeper = Keeper("q", self.parts, self.executor, self.outbox, RedisBroker(self.link), self._is_under_way)

    def _settle(self, run: Run, outcome: Outcome, service_us: int) -> None:
        self.outbox.put(run.id, run.claim, outcome, service_us)

    def _is_under_way(self, job_id: str, claim: str) -> bool:
        return (job_id, claim) in self.under_way

    async def look(self, times: int) -> None:
        for _ in range(times):
            await self.keeper._reconcile()


@pytest.fixture
async def desk() -> Desk:
    return Desk()


async def test_an_unknown_lease_is_given_back_when_seen_twice(desk: Desk) -> None:
    await desk.look(1)
    assert desk.outbox.size == 0
    await desk.look(1)
    assert desk.outbox.take().others == [("release", "j", "0.7", "0", 1)]


async def test_a_settlement_that_redis_forgot_is_said_again(desk: Desk) -> None:
    desk.outbox.put("j", "0.7", DONE, 1)
    desk.outbox.take()
    await desk.look(2)
    assert desk.outbox.take().others == [("done", "j", "0.7")]


async def test_it_is_said_again_once(desk: Desk) -> None:
    await desk.look(5)
    assert desk.outbox.size == 1


async def test_a_running_job_is_known_under_its_claim_alone(desk: Desk) -> None:
    desk.executor.running["j"] = Run("j", b"", "0.7", 0, 0)
    await desk.look(3)
    assert desk.outbox.size == 0
    desk.executor.running["j"] = Run("j", b"", "0.6", 0, 0)
    await desk.look(3)
    assert desk.outbox.size == 1


async def test_what_waits_to_be_said_is_known(desk: Desk) -> None:
    desk.outbox.put("j", "0.7", DONE, 1)
    await desk.look(3)
    assert desk.outbox.size == 1


async def test_what_an_unanswered_exchange_claims_or_settles_is_not_unknown_however_long_it_takes(desk: Desk) -> None:
    desk.under_way.add(("j", "0.7"))
    await desk.look(5)
    assert desk.outbox.size == 0


async def test_another_claim_each_time_is_another_lease_each_time(desk: Desk) -> None:
    for seq in range(5):
        desk.link.leases = {"j": f"0.{seq}"}
        await desk.look(1)
    assert desk.outbox.size == 0


async def test_a_session_that_has_not_joined_is_not_renewed_and_so_not_lost_again(desk: Desk) -> None:
    fresh = Session("q", 30, desk.parts.pulse)
    renewal = Renewal(
        RedisSource(Target("127.0.0.1", 1)), 30, 120, lambda: [fresh], lambda _: pytest.fail("nothing to report")
    )
    renewal.renew_once()
    assert renewal.failures == 0


async def test_a_lost_session_is_replaced_once_and_its_successor_joins(desk: Desk) -> None:
    await desk.keeper.join()
    old = desk.keeper.session
    lost = Renewed(old, live=False, leases=0, cancelled=(), cordoned=False)
    desk.keeper.hear(lost)
    new = desk.keeper.session
    desk.keeper.hear(lost)
    assert desk.keeper.session is new
    assert new.sid != old.sid
    assert (old.lost, desk.keeper.joined.is_set(), desk.parts.metrics.lease_losses) == (True, False, 1)
    await desk.keeper._join_again(new)
    assert desk.keeper.joined.is_set()
    assert new.joined


async def test_a_session_that_leaves_while_it_is_renewed_is_not_lost(desk: Desk) -> None:
    await desk.keeper.join()
    old = desk.keeper.session
    await old.leave(RedisBroker(desk.link))
    desk.keeper.hear(Renewed(old, live=False, leases=0, cancelled=(), cordoned=False))
    assert desk.keeper.session is old
    assert desk.parts.metrics.lease_losses == 0
