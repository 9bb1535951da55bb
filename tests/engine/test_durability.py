"""E25: what an enqueue waits for, what it says when that was not reached, and that it may be asked again."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from typing import Any

import pytest

from headrace import Fleet, NotDurableError
from headrace.admin.queue_admin import QueueAdmin
from headrace.client.task import Task
from headrace.errors import ConfigError
from headrace.wire.link import Link
from headrace.wire.target import parse_target
from support.server_talk import ask, info, wait_for
from support.servers import RedisServer
from support.topologies import BINARIES
from support.worker_process import run_headrace

Nothing = Task[[], Coroutine[Any, Any, None]]


@pytest.fixture(params=BINARIES)
def pair(request: pytest.FixtureRequest) -> Iterator[tuple[RedisServer, RedisServer]]:
    """A primary and the replica that follows it."""
    quick = ("--repl-diskless-sync-delay", "0")
    binary = BINARIES[request.param]
    with RedisServer(*quick, binary=binary) as primary, RedisServer(*quick, binary=binary) as replica:
        ask(replica, "REPLICAOF", primary.host, primary.port)
        wait_for(lambda: info(replica, "replication")["master_link_status"] == "up", "the replica follows")
        yield primary, replica


def _task(fleet: Fleet) -> Nothing:
    @fleet.queue("q").task()
    async def nothing() -> None: ...

    return nothing


async def _jobs(server: RedisServer) -> int:
    link = Link(parse_target(server.url))
    stats = await QueueAdmin(link, "q").stats()
    await link.close()
    return stats.ready


async def test_a_replicated_job_is_on_the_replica_when_enqueue_returns(pair: tuple[RedisServer, RedisServer]) -> None:
    primary, replica = pair
    async with Fleet(primary.url) as fleet:
        task = _task(fleet).options(durability="replicated")
        await asyncio.gather(*(task.enqueue() for _ in range(50)))
        primary.kill()
    assert await _jobs(replica) == 50


async def test_an_accepted_job_is_lost_with_a_primary_whose_replica_lags(pair: tuple[RedisServer, RedisServer]) -> None:
    primary, replica = pair
    async with Fleet(primary.url) as fleet:
        await _task(fleet).options(durability="replicated").enqueue()
        ask(replica, "REPLICAOF", "127.0.0.1", 1)  # nobody is there: it keeps what it has
        await _task_plain(fleet).enqueue()
        assert await _jobs(primary) == 2
        primary.kill()
        ask(replica, "REPLICAOF", "NO", "ONE")
        assert await _jobs(replica) == 1


async def test_a_level_that_is_not_reached_is_said_and_the_jobs_are_there_once(
    pair: tuple[RedisServer, RedisServer],
) -> None:
    primary, replica = pair
    replica.freeze()
    async with Fleet(primary.url, enqueue_timeout=1, durability="replicated") as fleet:
        task = _task(fleet).options(job_id="own")
        with pytest.raises(NotDurableError, match=r"not on 1 replica: they may run, .* same job ids"):
            await task.enqueue()
        assert await _jobs(primary) == 1
        assert (await _task_plain(fleet).enqueue()).created
        replica.thaw()
        again = await task.enqueue()
        assert not again.created
        primary.kill()
    assert await _jobs(replica) == 2


def _task_plain(fleet: Fleet) -> Nothing:
    @fleet.queue("q").task(name="other")
    async def other() -> None: ...

    return other.options(durability="accepted")


async def test_more_replicas_than_there_are(pair: tuple[RedisServer, RedisServer]) -> None:
    primary, _ = pair
    async with Fleet(primary.url, enqueue_timeout=0.5, durability="replicated", replicas=2) as fleet:
        with pytest.raises(NotDurableError, match="not on 2 replicas"):
            await _task(fleet).enqueue()


@pytest.fixture
def appending() -> Iterator[RedisServer]:
    """A Valkey whose file reaches the disk once a second."""
    with RedisServer(aof="everysec") as server:
        yield server


async def test_an_appended_job_outlives_a_kill_of_a_server_that_syncs_each_second(appending: RedisServer) -> None:
    async with Fleet(appending.url) as fleet:
        await _task(fleet).options(durability="appended").enqueue()
        assert int(info(appending, "persistence")["aof_pending_bio_fsync"]) == 0
        appending.kill()
        appending.start()
        assert await _jobs(appending) == 1


@pytest.mark.parametrize("redis_server", ["valkey", *(["redis"] if "redis" in BINARIES else [])], indirect=True)
async def test_a_server_that_appends_nothing_refuses_the_level_before_the_job_is_enqueued(
    redis_server: RedisServer, redis_url: str
) -> None:
    async with Fleet(redis_url, durability="appended") as fleet:
        with pytest.raises(ConfigError, match=r"'appended' needs Redis 7.2 or newer, or Valkey, with appendonly yes"):
            await _task(fleet).enqueue()
    assert await _jobs(redis_server) == 0


async def test_wrong_levels_are_refused_where_they_are_written() -> None:
    with pytest.raises(ConfigError, match="Fleet: durability must be accepted, appended or replicated, got 'safe'"):
        Fleet(durability="safe")
    with pytest.raises(ConfigError, match="replicas: must be 1 to 100, got 0"):
        Fleet(replicas=0)
    with pytest.raises(ConfigError, match="options: durability must be"):
        _task(Fleet()).options(durability="")


async def test_the_command_line_waits_as_well(pair: tuple[RedisServer, RedisServer]) -> None:
    primary, replica = pair
    words = ("enqueue", "q", "t", "--unchecked", "--durability", "replicated", "--redis-url", primary.url)
    code, _, errors = await asyncio.to_thread(run_headrace, *words)
    assert (code, errors) == (0, "")
    primary.kill()
    assert await _jobs(replica) == 1
