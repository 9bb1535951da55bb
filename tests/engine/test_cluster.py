"""E25: queues on a Cluster: each on its node, found again when it moves, and none delayed by another's node."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from headrace.admin.queue_admin import QueueAdmin, stats_many
from headrace.brokers.redis import RedisBroker
from headrace.brokers.server_check import check_servers
from headrace.client.producer import Producer
from headrace.contract.entry import Entry
from headrace.contract.keys import prefix
from headrace.contract.stats import QueueStats
from headrace.errors import HeadraceError, QueueUnavailableError
from headrace.wire.blocking_link import BlockingLink
from headrace.wire.link import Link
from headrace.wire.routing import slot_of
from headrace.wire.target import parse_target
from support.cluster_group import ClusterGroup
from support.server_talk import ask
from support.servers import RedisServer
from support.topologies import BINARIES

QUEUES = ["a", "b", "c", "d", "e", "f", "g", "h"]
MANY = 40


@pytest.fixture(scope="module", params=BINARIES)
def cluster(request: pytest.FixtureRequest) -> Iterator[ClusterGroup]:
    """Without replicas: nothing takes a dead node's place."""
    with ClusterGroup(BINARIES[request.param]) as made:
        yield made


def node_of(cluster: ClusterGroup, queue: str) -> RedisServer:
    return cluster.primary_of(slot_of(prefix(queue)))


async def fill(link: Link, queue: str, jobs: int) -> None:
    await Producer(RedisBroker(link), queue, timeout=0.5).enqueue([Entry(f"{queue}{n}", b"x") for n in range(jobs)])


async def test_queues_of_one_link_are_on_several_nodes(cluster: ClusterGroup) -> None:
    cluster.flush()
    link = Link(parse_target(cluster.url))
    for queue in QUEUES:
        await fill(link, queue, 3)
    assert len({node_of(cluster, queue).port for queue in QUEUES}) == 3
    for queue in QUEUES:
        assert ask(node_of(cluster, queue), "HLEN", f"{prefix(queue)}jobs") == 3
    seen = await stats_many(link, QUEUES, primary_only=True)
    assert [stats.ready for stats in seen.values() if isinstance(stats, QueueStats)] == [3] * len(QUEUES)
    await link.close()


async def _move(cluster: ClusterGroup, queue: str, link: Link) -> RedisServer:
    """The queue's slot goes to another node, key by key; half-way the queue stands still. Returns where it is now."""
    slot, source = slot_of(prefix(queue)), node_of(cluster, queue)
    destination = next(server for server in cluster.servers if server is not source)
    names = {server.port: ask(server, "CLUSTER", "MYID").decode() for server in cluster.servers}
    ask(destination, "CLUSTER", "SETSLOT", slot, "IMPORTING", names[source.port])
    ask(source, "CLUSTER", "SETSLOT", slot, "MIGRATING", names[destination.port])
    keys = ask(source, "CLUSTER", "GETKEYSINSLOT", slot, 100)
    assert len(keys) > 2
    for number, key in enumerate(keys):
        ask(source, "MIGRATE", destination.host, destination.port, key, 0, 5000)
        if number == 1:
            with pytest.raises(QueueUnavailableError, match="on its way to another Cluster node"):
                await fill(link, queue, 1)
    for server in (destination, source, *cluster.servers):
        ask(server, "CLUSTER", "SETSLOT", slot, "NODE", names[destination.port])
    return destination


async def test_a_queue_stands_still_while_it_moves_and_is_whole_afterwards(cluster: ClusterGroup) -> None:
    cluster.flush()
    link, other = Link(parse_target(cluster.url)), Link(parse_target(cluster.url))
    blocking = BlockingLink(parse_target(cluster.url), 5, "test")
    await fill(link, "q", MANY)
    await fill(other, "q", 1)
    assert isinstance(blocking.run_each("stats", [(prefix("q"),)])[0], list)
    here = await _move(cluster, "q", link)
    await fill(link, "q", MANY + 1)
    assert ask(here, "HLEN", f"{prefix('q')}jobs") == MANY + 1
    assert (await QueueAdmin(other, "q").stats()).ready == MANY + 1
    assert (await QueueAdmin(other, "q").audit.run()).clean
    # It is not for a renewal to follow: the next one comes soon.
    assert isinstance(blocking.run_each("stats", [(prefix("q"),)])[0], HeadraceError)
    assert isinstance(blocking.run_each("stats", [(prefix("q"),)])[0], list)
    blocking.close()
    await link.close()
    await other.close()


async def test_each_node_s_settings_are_looked_at(cluster: ClusterGroup) -> None:
    link = Link(parse_target(cluster.url))
    assert await check_servers(link) == []
    for server in cluster.servers[1:]:
        ask(server, "CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    assert len(await check_servers(link)) == 1
    for server in cluster.servers[1:]:
        ask(server, "CONFIG", "SET", "maxmemory-policy", "noeviction")
    await link.close()


async def test_a_dead_node_takes_only_its_own_queues_with_it() -> None:
    with ClusterGroup(next(iter(BINARIES.values()))) as cluster:
        for server in cluster.servers:
            ask(server, "CONFIG", "SET", "cluster-require-full-coverage", "no")
        link = Link(parse_target(cluster.url), timeout=2)
        blocking = BlockingLink(parse_target(cluster.url), 1, "test")
        calls = [(prefix(queue),) for queue in QUEUES]
        assert all(isinstance(reply, list) for reply in blocking.run_each("stats", calls))
        assert all(isinstance(stats, QueueStats) for stats in (await stats_many(link, QUEUES)).values())
        lost = {queue for queue in QUEUES if node_of(cluster, queue) is cluster.servers[0]}
        cluster.servers[0].freeze()
        for _ in range(2):  # with an open connection, and with one to be opened
            seen = await stats_many(link, QUEUES)
            assert {queue for queue, stats in seen.items() if not isinstance(stats, QueueStats)} == lost
            replies = await asyncio.to_thread(blocking.run_each, "stats", calls)
            assert {q for q, reply in zip(QUEUES, replies, strict=True) if isinstance(reply, HeadraceError)} == lost
        blocking.close()
        await link.close()


async def test_a_server_that_is_no_cluster_says_so() -> None:
    with RedisServer() as server:
        target = parse_target(f"{server.url.removesuffix('/0')}?cluster=true")
        with pytest.raises(QueueUnavailableError, match="cluster support disabled"):
            await Link(target, timeout=2).request("PING")
        (reply,) = BlockingLink(target, 2, "test").run_each("stats", [(prefix("q"),)])
        assert isinstance(reply, QueueUnavailableError)
