"""30 days after the last look the record of a schedule expires; its object may have gone unseen (decision 36)."""

from __future__ import annotations

from typing import Any, Final

import pytest

from headrace.admin.queue_admin import QueueAdmin
from headrace.admin.schedules import Fate
from headrace.wire.link import Link
from support.queue_driver import QueueDriver
from support.tick_rig import HOUR, UID, TickRig

DAY: Final = 24 * HOUR


@pytest.fixture(params=["", "streams"], ids=["sorted-sets", "streams"])
async def rig(link: Link, request: pytest.FixtureRequest) -> TickRig:
    driver = QueueDriver(link, variant=request.param)
    await driver.hold_clock()
    return TickRig(driver)


async def left(rig: TickRig, name: str = f"schedule:{UID}") -> float:
    """Days."""
    return float(await rig.driver.link.request("PTTL", rig.driver.key(name))) / DAY


async def neglect(rig: TickRig, days: float = 1) -> None:
    for name in (f"schedule:{UID}", "schedules"):
        await rig.driver.link.request("PEXPIRE", rig.driver.key(name), round(days * DAY))


@pytest.mark.parametrize(
    "terms",
    [
        {},
        {"suspended": True},
        {"timing": "hourly"},
        {"generation": 2},
        {"generation": 1, "timing": "older"},
    ],
    ids=str,
)
async def test_whoever_looks_keeps_it_whatever_its_terms_are(rig: TickRig, terms: dict[str, Any]) -> None:
    await rig.settle(**({"generation": 2} | terms | {"generation": 2}))
    assert await left(rig) > 29.9
    await neglect(rig)
    await rig.settle(**terms)
    assert await left(rig) > 29.9
    assert await left(rig, "schedules") > 29.9


async def test_it_is_kept_without_terms_too(rig: TickRig) -> None:
    assert not await rig.schedules.keep(UID)
    before = await rig.settle()
    await neglect(rig)
    assert await rig.schedules.keep(UID)
    assert await left(rig) > 29.9
    assert await left(rig, "schedules") > 29.9
    assert await rig.schedules.look(UID) == before


async def test_within_an_hour_nothing_is_written(rig: TickRig) -> None:
    await rig.settle()
    await neglect(rig, 30 - 0.5 / 24)
    await rig.settle()
    assert await left(rig) < 30 - 0.4 / 24
    await neglect(rig, 30 - 1.1 / 24)
    await rig.settle()
    assert await left(rig) > 30 - 0.1 / 24


async def test_its_time_goes_on_whatever_is_fired(rig: TickRig) -> None:
    await rig.settle()
    await neglect(rig)
    await rig.fire(rig.start)
    await rig.now("r1")
    await rig.schedules.pass_over(UID, rig.start + 1, seen=await rig.schedules.look(UID), missed=1)
    assert 0.9 < await left(rig) <= 1


async def test_an_expired_one_is_no_more_to_be_seen_and_its_name_goes_with_the_next_look_at_another(
    rig: TickRig,
) -> None:
    await rig.settle()
    await rig.fire(rig.start)
    await rig.driver.link.request("PEXPIRE", rig.driver.key(f"schedule:{UID}"), 0)
    assert not (await rig.schedules.look(UID)).known
    await rig.driver.link.request("HSET", rig.driver.key("schedule:older"), "timing", "of an older release")
    await rig.driver.link.request("HSET", rig.driver.key("schedules"), "older", "shop/older")
    await rig.schedules.settle_terms("other", name="shop/o", timing="t", suspended=False, created_ms=0)
    assert set(await rig.driver.link.request("HKEYS", rig.driver.key("schedules"))) == {b"other", b"older"}
    assert await left(rig, "schedule:older") > 29.9
    assert (await rig.driver.stats()).ready == 1, "jobs stay"


async def test_one_that_comes_back_begins_with_what_its_status_knows(rig: TickRig) -> None:
    await rig.settle()
    await rig.fire(rig.start)
    await rig.driver.link.request("PEXPIRE", rig.driver.key(f"schedule:{UID}"), 0)
    await rig.driver.advance(40 * DAY)
    assert (await rig.settle(created_ms=rig.start)).after_ms == rig.start
    assert (await rig.fire(rig.start)).fate is Fate.ALREADY


async def test_an_audit_takes_no_expired_record_for_a_mistake(queue: QueueDriver, admin: QueueAdmin) -> None:
    rig = TickRig(queue)
    await rig.settle()
    await queue.link.request("PERSIST", queue.key(f"schedule:{UID}"))
    await queue.link.request("HSET", queue.key("schedules"), "expired", "shop/expired")
    assert [record.uid for record in await admin.schedules.all()] == [UID]
    assert (await admin.audit.run()).clean
    report = await admin.audit.run(repair=True)
    assert (report.clean, report.mended) == (True, 0)
    assert await queue.link.request("HKEYS", queue.key("schedules")) == [UID.encode()]
    assert await queue.link.request("PTTL", queue.key(f"schedule:{UID}")) > 29 * DAY
