"""Pause, cordon, sleep, ownership, and the channel that a sleeping queue signals on."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from headrace.admin.queue_admin import QueueAdmin
from headrace.wire.link import Link
from headrace.wire.subscription import Lost, Message, Subscribed, subscribe
from headrace.wire.target import parse_target
from support.seeding import Seeder
from support.servers import RedisServer


@pytest.mark.everywhere
async def test_pause_and_resume_say_what_was(seeder: Seeder, admin: QueueAdmin) -> None:
    assert [await admin.control.pause(), await admin.control.pause()] == [True, False]
    assert (await admin.stats()).paused
    await seeder.enqueue("a")
    reply = await seeder.ask(1)
    assert (reply[0], reply[5]) == (b"PAUSED", [])
    assert [await admin.control.resume(), await admin.control.resume()] == [True, False]
    assert await seeder.exchange(1) == ["a"]


async def test_purge_calls_off_what_waits_and_nothing_else(seeder: Seeder, admin: QueueAdmin) -> None:
    await seeder.enqueue(*(f"j{number}" for number in range(2_500)))
    assert len(await seeder.ask(2)) > 0
    stats = await admin.stats()
    assert (stats.ready, stats.leased) == (2_498, 2)
    assert await admin.control.purge() == 2_498
    stats = await admin.stats()
    assert (stats.ready, stats.leased, stats.cancelled) == (0, 2, 2_498)
    assert await admin.control.purge() == 0


async def test_a_cordoned_session_claims_nothing_until_it_is_lifted(seeder: Seeder, admin: QueueAdmin) -> None:
    await seeder.enqueue("a", "b")
    await seeder.exchange(1)
    assert await admin.control.cordon(["s1", "gone"], 60_000) == {"s1": 1, "gone": 0}
    reply = await seeder.ask(1)
    assert (reply[0], reply[5]) == (b"CORDONED", [])
    await admin.control.cordon(["s1"], 0)
    assert await seeder.exchange(1) == ["b"]


async def test_a_queue_with_work_does_not_sleep(seeder: Seeder, admin: QueueAdmin) -> None:
    await seeder.enqueue("a")
    assert not await admin.control.sleep()
    assert not (await admin.stats()).asleep


async def test_a_claim_that_nobody_repeats_lapses(admin: QueueAdmin, link: Link) -> None:
    assert await admin.control.claim_ownership("c/n/a") == "c/n/a"
    assert (await admin.stats()).owner == "c/n/a"
    await link.request("HSET", "hr:{q}:meta", "owner_until", 1)
    assert (await admin.stats()).owner is None
    assert await admin.control.claim_ownership("c/n/b") == "c/n/b"
    assert await admin.control.claim_ownership("c/n/a") == "c/n/b"


@pytest.mark.everywhere
async def test_ownership_stays_with_the_first_until_it_gives_up(admin: QueueAdmin) -> None:
    assert await admin.control.claim_ownership("c/n/a") == "c/n/a"
    assert await admin.control.claim_ownership("c/n/b") == "c/n/a"
    assert await admin.control.release_ownership("c/n/b") == "c/n/a"
    assert (await admin.stats()).owner == "c/n/a"
    assert await admin.control.release_ownership("c/n/a") == ""
    assert await admin.control.claim_ownership("c/n/b") == "c/n/b"


@pytest.mark.everywhere
async def test_work_wakes_a_sleeping_queue_once(seeder: Seeder, admin: QueueAdmin, redis_url: str) -> None:
    channel = admin.control.signal_channel
    async with asyncio.timeout(10), aclosing(subscribe(parse_target(redis_url), [channel])) as events:
        assert await anext(events) == Subscribed()
        assert await admin.control.sleep()
        await seeder.enqueue("a", delay_ms=60_000)
        assert await anext(events) == Message(channel, b"1")
        await seeder.enqueue("b")
        await seeder.link.request("PUBLISH", channel, "mark")
        assert await anext(events) == Message(channel, b"mark")


async def test_a_subscription_comes_back_after_the_server() -> None:
    with RedisServer() as server:
        async with asyncio.timeout(30), aclosing(subscribe(parse_target(server.url), ["c"])) as events:
            assert await anext(events) == Subscribed()
            server.restart()
            assert isinstance(await anext(events), Lost)
            while not isinstance(event := await anext(events), Subscribed):
                assert isinstance(event, Lost)
            link = Link(parse_target(server.url))
            await link.request("PUBLISH", "c", "again")
            assert await anext(events) == Message("c", b"again")
            await link.close()


async def test_a_subscription_that_is_refused_says_why(redis_url: str) -> None:
    url = redis_url.replace("redis://", "redis://nobody:wrong@")
    async with asyncio.timeout(10), aclosing(subscribe(parse_target(url), ["c"])) as events:
        event = await anext(events)
        assert isinstance(event, Lost)
        assert "login" in str(event.error)


async def test_silence_is_asked_after_and_is_no_failure(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headrace.wire.subscription.PING_EVERY", 0.05)
    async with asyncio.timeout(30), aclosing(subscribe(parse_target(redis_url), ["c"], name="listener")) as events:
        assert await anext(events) == Subscribed()
        link = Link(parse_target(redis_url))

        async def speak_once_asked() -> None:
            async with asyncio.timeout(20):
                while b"name=listener" not in (said := await link.request("CLIENT", "LIST")) or b"cmd=ping" not in said:
                    await asyncio.sleep(0.01)
            await link.request("PUBLISH", "c", "x")

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(speak_once_asked())
            assert await anext(events) == Message("c", b"x")
        await link.close()


async def test_a_frozen_server_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headrace.wire.subscription.PING_EVERY", 0.1)
    monkeypatch.setattr("headrace.wire.subscription.ANSWER_WITHIN", 0.3)
    with RedisServer() as server:
        async with asyncio.timeout(30), aclosing(subscribe(parse_target(server.url), ["c"])) as events:
            assert await anext(events) == Subscribed()
            server.freeze()
            lost = await anext(events)
            assert isinstance(lost, Lost)
            assert "no answer" in str(lost.error)
            server.thaw()
