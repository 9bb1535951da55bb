"""K2: what one look at a schedule does: fires, misses, leaves to somebody else, or owes; with the clock held."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import pytest

from headrace.admin.handle import QueueHandle
from headrace.admin.schedules import Concurrency, Fate, Schedules
from headrace.contract.envelope import decode
from headrace.errors import QueueFullError, QueueUnavailableError
from headrace.wire.link import Link
from headrace_operator.core.recurrence import CatchUp, Lateness, parse
from headrace_operator.reconcile.ticking import Terms, count_missed, fire_due
from support.held_link import HeldLink
from support.queue_driver import QueueDriver

pytestmark = pytest.mark.everywhere
MINUTE, HOUR = 60_000, 3_600_000


class Meddling(HeldLink):
    """Somebody else acts just before a call of that name."""

    def __init__(self, driver: QueueDriver, before: str, act: object) -> None:
        super().__init__(driver)
        self._before = before
        self._act = act

    async def run(self, name: str, prefix: str, *args: object, timeout: float | None = None) -> object:
        if name == self._before and self._act is not None:
            act, self._act = self._act, None
            await act()  # type: ignore[operator]
        return await super().run(name, prefix, *args, timeout=timeout)


class Rig:
    """A schedule of every hour on a queue whose clock stands at a full hour; `start` is when it was created."""

    def __init__(self, driver: QueueDriver) -> None:
        self.driver = driver
        self.start = driver.now_ms
        self.schedules = self.through(HeldLink(driver))
        self.terms = Terms(
            uid="uid",
            name="shop/hourly",
            created_ms=self.start,
            generation=1,
            suspended=False,
            recurrence=parse("@hourly"),
            lateness=Lateness(CatchUp.ALL, most=3),
            concurrency=Concurrency.ALLOW,
            keep=10,
            task="report",
            arguments={"day": "today"},
        )

    def through(self, link: HeldLink) -> Schedules:
        return Schedules(QueueHandle(cast("Link", link), self.driver.queue))

    async def jobs(self) -> list[int]:
        """Their ticks, in hours after the start."""
        ids = (await self.driver.look()).hashes["jobs"]
        return sorted((int(job_id.partition(":")[2]) - self.start) // HOUR for job_id in ids)


@pytest.fixture
async def rig(queue: QueueDriver) -> Rig:
    await queue.advance(HOUR - queue.now_ms % HOUR)
    return Rig(queue)


async def test_nothing_is_due_and_the_wait_is_told(rig: Rig) -> None:
    ticked = await fire_due(rig.schedules, rig.terms)
    assert (ticked.fired, ticked.missed, ticked.again, ticked.wait_ms) == ((), 0, False, HOUR)
    assert ticked.record.known


async def test_each_due_tick_is_a_job_that_knows_what_it_is(rig: Rig) -> None:
    await rig.driver.advance(HOUR + 5)
    ticked = await fire_due(rig.schedules, rig.terms)
    (fired,) = ticked.fired
    assert (fired.fate, fired.job_id) == (Fate.ENQUEUED, f"uid:{rig.start + HOUR}")
    assert (ticked.next_ms, ticked.wait_ms) == (rig.start + 2 * HOUR, HOUR - 5)
    stored = decode((await rig.driver.look()).hashes["jobs"][fired.job_id])
    assert stored.task == "report"
    assert stored.envelope.meta == {"headrace.schedule": "shop/hourly", "headrace.tick": str(rig.start + HOUR)}
    assert (await fire_due(rig.schedules, rig.terms)).fired == ()


async def test_what_is_too_late_is_counted_and_the_rest_made_up_for(rig: Rig) -> None:
    await fire_due(rig.schedules, rig.terms)
    await rig.driver.advance(10 * HOUR + 5 * MINUTE)
    ticked = await fire_due(rig.schedules, rig.terms)
    assert (len(ticked.fired), ticked.missed, ticked.record.missed) == (3, 7, 7)
    assert await rig.jobs() == [8, 9, 10]


async def test_where_all_is_missed_nothing_is_enqueued(rig: Rig) -> None:
    await rig.driver.advance(2 * HOUR + 5 * MINUTE)
    none = replace(rig.terms, lateness=Lateness())
    ticked = await fire_due(rig.schedules, none)
    assert (ticked.fired, ticked.missed, ticked.record.last_tick_ms) == ((), 2, rig.start + 2 * HOUR)
    assert (await fire_due(rig.schedules, none)).missed == 0
    assert await rig.jobs() == []


async def test_of_one_that_can_not_run_what_no_policy_makes_up_for_is_counted_once_and_the_rest_stays_owed(
    rig: Rig,
) -> None:
    await fire_due(rig.schedules, rig.terms)
    await rig.driver.advance(5 * HOUR + 5 * MINUTE)
    for _ in range(2):
        record = await count_missed(rig.schedules, rig.terms)
        assert (record.missed, record.enqueued, record.last_tick_ms) == (2, 0, rig.start + 2 * HOUR)
    assert await rig.jobs() == []
    await fire_due(rig.schedules, rig.terms)
    assert await rig.jobs() == [3, 4, 5]
    await rig.driver.advance(HOUR)
    suspended = replace(rig.terms, suspended=True, generation=2)
    for terms in (suspended, rig.terms):  # the second one is behind
        await rig.driver.advance(10 * HOUR)
        assert (await count_missed(rig.schedules, terms)).missed == 2


async def test_suspended_ticks_are_not_missed_ticks(rig: Rig) -> None:
    await fire_due(rig.schedules, rig.terms)
    suspended = replace(rig.terms, suspended=True, generation=2)
    for hours in (1, 5):
        await rig.driver.advance(hours * HOUR)
        ticked = await fire_due(rig.schedules, suspended)
        assert (ticked.fired, ticked.missed, ticked.next_ms, ticked.wait_ms) == ((), 0, None, None)
    ticked = await fire_due(rig.schedules, replace(rig.terms, generation=3))
    assert (ticked.fired, ticked.record.missed, ticked.next_ms) == ((), 0, rig.start + 7 * HOUR)


async def test_a_new_timing_owes_nothing_of_the_past(rig: Rig) -> None:
    await fire_due(rig.schedules, rig.terms)
    await rig.driver.advance(HOUR // 2)
    often = replace(rig.terms, recurrence=parse("*/10 * * * *"), generation=2)
    assert (await fire_due(rig.schedules, often)).fired == ()
    assert (await fire_due(rig.schedules, often)).next_ms == rig.start + 40 * MINUTE


async def test_an_operator_that_is_behind_does_nothing(rig: Rig) -> None:
    await fire_due(rig.schedules, replace(rig.terms, generation=2))
    await rig.driver.advance(HOUR)
    ticked = await fire_due(rig.schedules, rig.terms)
    assert (ticked.fired, ticked.next_ms, await rig.jobs()) == ((), None, [])


async def test_a_deleted_schedule_fires_no_more(rig: Rig) -> None:
    await fire_due(rig.schedules, rig.terms)
    await rig.schedules.forget("uid")
    await rig.driver.advance(HOUR)
    ticked = await fire_due(rig.schedules, rig.terms)
    assert (ticked.fired, ticked.next_ms, await rig.jobs()) == ((), None, [])


@pytest.mark.parametrize("before", ["settle_schedule", "fire_tick"])
async def test_who_is_overtaken_looks_again(rig: Rig, before: str) -> None:
    async def other() -> None:
        await fire_due(rig.schedules, rig.terms)

    await rig.driver.advance(2 * HOUR)
    slow = rig.through(Meddling(rig.driver, before, other))
    ticked = await fire_due(slow, rig.terms)
    assert ticked.fired == ()
    assert ticked.again == (before == "fire_tick")
    assert ticked.wait_ms == (0 if ticked.again else HOUR)
    assert await rig.jobs() == [1, 2]


async def test_who_is_overtaken_before_counting_what_is_missed_counts_nothing_twice(rig: Rig) -> None:
    none = replace(rig.terms, lateness=Lateness())

    async def other() -> None:
        await fire_due(rig.schedules, none)

    await rig.driver.advance(2 * HOUR + 5 * MINUTE)
    ticked = await fire_due(rig.through(Meddling(rig.driver, "pass_ticks", other)), none)
    assert (ticked.missed, ticked.again, ticked.record.missed) == (0, True, 2)


async def test_what_finds_no_room_is_owed_until_there_is_some(rig: Rig) -> None:
    await rig.driver.join("w")
    await rig.driver.link.request("HSET", rig.driver.key("meta"), "limit", 1)
    await rig.driver.advance(2 * HOUR)
    with pytest.raises(QueueFullError):
        await fire_due(rig.schedules, rig.terms)
    assert await rig.jobs() == [1]
    got = await rig.driver.exchange("w", 1)
    await rig.driver.exchange("w", done=got.done)
    assert [one.fate for one in (await fire_due(rig.schedules, rig.terms)).fired] == [Fate.ENQUEUED]
    assert await rig.jobs() == [2]


async def test_an_answer_that_was_lost_is_no_second_job(rig: Rig) -> None:
    class Deaf(HeldLink):
        async def run(self, name: str, prefix: str, *args: object, timeout: float | None = None) -> object:
            reply = await super().run(name, prefix, *args)
            if name == "fire_tick":
                raise QueueUnavailableError("the answer was lost")
            return reply

    await rig.driver.advance(3 * HOUR)
    for _ in range(5):
        try:
            await fire_due(rig.through(Deaf(rig.driver)), rig.terms)
        except QueueUnavailableError:
            continue
    assert await rig.jobs() == [1, 2, 3]
    assert (await rig.schedules.look("uid")).enqueued == 3
