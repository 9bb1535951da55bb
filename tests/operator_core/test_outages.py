"""A Redis that hangs, only reads, or lets nobody write: said in the condition, and over as soon as it is over."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from headrace.wire.link import Link
from headrace.wire.target import parse_target
from headrace_operator.api.names import QueueKey
from headrace_operator.core.conditions import ConditionReason, ConditionType
from headrace_operator.core.observation import Unknown
from support.fleet_rig import FAST, Rig, until
from support.replication import follow, hand_over
from support.servers import RedisServer

AVAILABLE = ConditionType.REDIS_AVAILABLE


async def said_until_it_serves_again(rig: Rig, key: QueueKey, old: RedisServer, new: RedisServer) -> None:
    """The role goes from `old` to `new`, and back; the condition says so both times."""
    await rig.reason(key, AVAILABLE, ConditionReason.REACHABLE)
    await follow(new, old)
    await hand_over(old, new)
    await rig.reason(key, AVAILABLE, Unknown.NOT_SERVING)
    await hand_over(new, old)
    await rig.reason(key, AVAILABLE, ConditionReason.REACHABLE)


async def test_a_server_that_hung_is_read_again_at_once() -> None:
    """The wait for an answer is no load that reading makes: it once cost ten times its length in silence."""
    with RedisServer() as server:
        rig = Rig(server.url, replace(FAST, redis_timeout=2.0))
        key = rig.apply()
        async with rig.running():
            await rig.reason(key, AVAILABLE, ConditionReason.REACHABLE)
            server.freeze()
            await rig.reason(key, AVAILABLE, Unknown.TIMED_OUT)
            server.thaw()
            thawed = time.monotonic()
            await rig.reason(key, AVAILABLE, ConditionReason.REACHABLE)
            assert time.monotonic() - thawed < 10


async def test_an_operator_that_leads_no_more_changes_nothing_in_redis(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    key = rig.apply()
    async with rig.running():
        await rig.reason(key, AVAILABLE, ConditionReason.REACHABLE)
        rig.leading = False
        rig.apply(paused=True)

        async def refused() -> bool:
            return "another process may lead" in caplog.text

        await until("it is kept from it", refused)
        assert not (await rig.admin().stats()).paused
        rig.leading = True

        async def paused() -> bool:
            return (await rig.admin().stats()).paused

        await until("it goes on once it leads", paused)


async def test_what_a_replica_says_is_not_believed() -> None:
    with RedisServer() as old, RedisServer() as new:
        rig = Rig(old.url)
        key = rig.apply()
        async with rig.running():
            await said_until_it_serves_again(rig, key, old, new)


async def test_a_queue_that_cannot_be_claimed_is_said_to_be_unavailable() -> None:
    """It can be read all the same, and its server's role is none of this user's business."""
    with RedisServer() as old, RedisServer() as new:
        admin = Link(parse_target(old.url))
        await admin.request("ACL", "SETUSER", "modest", "on", ">secret", "~*", "&*", "+@all", "-role")
        await admin.close()
        rig = Rig(old.url.replace("://", "://modest:secret@"), replace(FAST, claim_again=0.0, rest=0.2))
        key = rig.apply()
        async with rig.running():
            await said_until_it_serves_again(rig, key, old, new)
