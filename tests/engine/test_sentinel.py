"""E25: finding the primary by Sentinels, at every (re)connect, over each of the three kinds of connection."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import aclosing, suppress

import pytest

from headrace.admin.queue_admin import QueueAdmin, stats_many
from headrace.contract.keys import prefix
from headrace.errors import QueueUnavailableError
from headrace.wire.blocking_link import BlockingLink
from headrace.wire.errors import DemotedError
from headrace.wire.link import Link
from headrace.wire.subscription import Subscribed, subscribe
from headrace.wire.target import Target, parse_target
from support.fake_sentinel import FakeSentinel
from support.polling import eventually
from support.ports import free_ports
from support.sentinel_group import SentinelGroup
from support.server_talk import ask, info, wait_for
from support.servers import RedisServer
from support.topologies import BINARIES

STATS = [(prefix("q"),)]


@pytest.fixture(params=BINARIES)
def pair(request: pytest.FixtureRequest) -> Iterator[tuple[RedisServer, RedisServer]]:
    """A primary and a server that could be one."""
    binary = BINARIES[request.param]
    quick = ("--repl-diskless-sync-delay", "0")
    with RedisServer(*quick, binary=binary) as primary, RedisServer(*quick, binary=binary) as other:
        yield primary, other


@pytest.fixture
def sentinel(pair: tuple[RedisServer, RedisServer]) -> Iterator[FakeSentinel]:
    """It names the primary, to begin with."""
    with FakeSentinel(pair[0]) as made:
        yield made


@pytest.fixture
def target(sentinel: FakeSentinel) -> Target:
    """With a Sentinel before it that is gone."""
    return parse_target(f"redis+sentinel://127.0.0.1:{free_ports(1)[0]},127.0.0.1:{sentinel.port}/jobs")


def demote(server: RedisServer, other: RedisServer) -> None:
    """Return once it knows itself as a replica with a link to the other."""
    ask(server, "REPLICAOF", other.host, other.port)
    wait_for(lambda: info(server, "replication")["master_link_status"] == "up", "it follows")


async def test_a_primary_that_is_replaced_is_left_though_it_still_takes_writes(
    pair: tuple[RedisServer, RedisServer], sentinel: FakeSentinel, target: Target
) -> None:
    link, blocking = Link(target), BlockingLink(target, 5, "test")
    join = [(prefix("q"), "sid", 1000, b"presence", 1)]
    await link.request("SET", "hr:{q}:where", 0)
    assert isinstance((await asyncio.to_thread(blocking.run_each, "join", join))[0], list)
    sentinel.master = pair[1]

    async def arrived() -> bool:
        with suppress(QueueUnavailableError):  # the call that the old connection was closed on
            await link.request("SET", "hr:{q}:where", 1)
        return bool(ask(pair[1], "GET", "hr:{q}:where") == b"1")

    await eventually(arrived)
    await asyncio.to_thread(blocking.run_each, "join", join)
    assert ask(pair[1], "ZCARD", "hr:{q}:sess") == 1
    await link.close()
    blocking.close()


async def test_a_demoted_primary_is_left_at_its_first_refusal(
    pair: tuple[RedisServer, RedisServer], sentinel: FakeSentinel, target: Target
) -> None:
    link = Link(target)
    control = QueueAdmin(link, "q").control
    assert await control.pause()
    await asyncio.to_thread(demote, *pair)
    sentinel.master = pair[1]
    with pytest.raises(DemotedError, match="READONLY"):
        await control.resume()
    await control.resume()
    assert ask(pair[1], "HGET", "hr:{q}:meta", "paused") != b"1"
    await link.close()


async def test_a_renewal_follows_too(
    pair: tuple[RedisServer, RedisServer], sentinel: FakeSentinel, target: Target
) -> None:
    link = BlockingLink(target, 5, "test")
    names = [(prefix("q"), "sid", 1000, b"presence")]

    async def renewed() -> object:
        (reply,) = await asyncio.to_thread(link.run_each, "join", [(*names[0], 1)])
        return reply

    assert (await renewed())[0] == b"OK"  # type: ignore[index]
    await asyncio.to_thread(demote, *pair)
    assert isinstance(await renewed(), DemotedError)
    sentinel.master = pair[1]
    assert (await renewed())[0] == b"OK"  # type: ignore[index]
    assert info(pair[1], "keyspace")["db0"].startswith("keys=")
    link.close()


async def test_a_sentinel_that_has_not_heard_of_the_failover_is_not_believed(
    pair: tuple[RedisServer, RedisServer], sentinel: FakeSentinel, target: Target
) -> None:
    await asyncio.to_thread(demote, *pair)
    link, blocking = Link(target), BlockingLink(target, 5, "test")
    with pytest.raises(DemotedError, match="is no master"):
        await link.request("PING")
    assert isinstance((await asyncio.to_thread(blocking.run_each, "stats", STATS))[0], DemotedError)
    sentinel.master = pair[1]
    assert await link.request("PING") == b"PONG"
    assert isinstance((await asyncio.to_thread(blocking.run_each, "stats", STATS))[0], list)
    await link.close()
    blocking.close()


async def test_numbers_of_a_primary_that_was_demoted_are_not_shown(
    pair: tuple[RedisServer, RedisServer], sentinel: FakeSentinel, target: Target
) -> None:
    link = Link(target)
    assert list(await stats_many(link, ["a", "b"], primary_only=True)) == ["a", "b"]
    await asyncio.to_thread(demote, *pair)
    sentinel.master = pair[1]

    with pytest.raises(QueueUnavailableError, match="it is a replica, whose numbers may be old"):
        await stats_many(link, ["a", "b"], primary_only=True)
    await link.close()


@pytest.mark.parametrize("known", [True, False])
async def test_nobody_to_ask_or_nobody_who_knows(known: bool) -> None:
    (gone,) = free_ports(1)
    with FakeSentinel(None) as sentinel:
        port = gone if known else sentinel.port
        target = parse_target(f"redis+sentinel://u:s3cret@127.0.0.1:{port}/jobs")
        why = "Connection refused" if known else "knows a master of that name"
        with pytest.raises(QueueUnavailableError, match=rf"no Sentinel of redis\+sentinel://u:\*\*\*@.*{why}"):
            await Link(target).request("PING")


async def test_sentinels_and_servers_with_logins_of_their_own() -> None:
    options = ("--user", "ada", "on", ">s3cret", "~*", "&*", "+@all")
    lines = ("user default off", "user watcher on >look allchannels +@all", "sentinel sentinel-user watcher")
    binary = list(BINARIES.values())[-1]
    with SentinelGroup(
        binary, options=options, sentinel_lines=(*lines, "sentinel sentinel-pass look"), login=("watcher", "look")
    ) as group:
        url = group.url.replace("://", "://ada:s3cret@") + "?sentinel_username=watcher&sentinel_password=look"
        link, blocking = Link(parse_target(url)), BlockingLink(parse_target(url), 5, "test")
        assert await link.request("ACL", "WHOAMI") == b"ada"
        assert isinstance((await asyncio.to_thread(blocking.run_each, "stats", STATS))[0], list)
        async with asyncio.timeout(30), aclosing(subscribe(parse_target(url), ["c"])) as events:
            assert await anext(events) == Subscribed()
        await link.close()
        blocking.close()
        wrong = parse_target(url.replace("=look", "=guess"))
        with pytest.raises(QueueUnavailableError, match="wrong or missing password"):
            await Link(wrong).request("PING")
