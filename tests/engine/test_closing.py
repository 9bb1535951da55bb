"""A link that is closed while a call is on its way to a connection: the call fails, and nothing stays open."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from headrace.errors import QueueUnavailableError
from headrace.wire.connection import Connection
from headrace.wire.link import Link
from headrace.wire.routing import SlotMap
from headrace.wire.target import Target, parse_target
from support.servers import RedisServer


class Gate:
    """Holds up whoever comes, until it is opened."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.open = asyncio.Event()
        self.opened: list[Connection] = []

    async def connect(self, target: Target, **how: Any) -> Connection:
        """In the place of `connection.connect`."""
        connection = await _connect(target, **how)
        self.opened.append(connection)
        await self.pass_by()
        return connection

    async def pass_by(self) -> None:
        self.reached.set()
        await self.open.wait()


async def _connect(target: Target, **how: Any) -> Connection:
    from headrace.wire.connection import connect

    return await connect(target, **how)


@pytest.fixture
async def target() -> AsyncIterator[Target]:
    with RedisServer() as server:
        yield parse_target(server.url)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    made = Gate()
    monkeypatch.setattr("headrace.wire.node.connect", made.connect)
    return made


def cluster_of(target: Target, gate: Gate | None, monkeypatch: pytest.MonkeyPatch) -> Link:
    """Of that one server; `gate`: before it is known who serves what."""

    async def learn(*_: Any) -> SlotMap:
        if gate is not None:
            await gate.pass_by()
        return SlotMap((0,), (16383,), ((target.host, target.port),))

    monkeypatch.setattr("headrace.wire.cluster.learn", learn)
    return Link(parse_target(f"redis+cluster://{target.host}:{target.port}"))


async def closed_on_the_way(link: Link, gate: Gate, calls: int) -> None:
    """All of them fail, and the link serves the next."""
    waiting = [asyncio.create_task(link.request("GET", f"k{n}")) for n in range(calls)]
    await gate.reached.wait()
    await asyncio.sleep(0)  # the others stand behind it
    await link.close()
    gate.open.set()
    failed = await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), 30)
    assert [str(one) for one in failed] == ["the connection to Redis was closed"] * calls
    assert all(isinstance(one, QueueUnavailableError) for one in failed)
    assert all(connection.closed.is_set() for connection in gate.opened)
    assert await link.request("INCR", "k") == 1
    await link.close()
    assert all(connection.closed.is_set() for connection in gate.opened)


@pytest.mark.parametrize("calls", [1, 3])
async def test_a_server(target: Target, gate: Gate, calls: int) -> None:
    await closed_on_the_way(Link(target), gate, calls)


@pytest.mark.parametrize("calls", [1, 3])
async def test_a_node_of_a_cluster(target: Target, gate: Gate, calls: int, monkeypatch: pytest.MonkeyPatch) -> None:
    await closed_on_the_way(cluster_of(target, None, monkeypatch), gate, calls)


@pytest.mark.parametrize("calls", [1, 3])
async def test_a_cluster_that_is_being_asked_for_its_map(
    target: Target, calls: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate()
    await closed_on_the_way(cluster_of(target, gate, monkeypatch), gate, calls)
