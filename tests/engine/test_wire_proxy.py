"""The proxy does to the wire what its name for it says; and the scripts survive what it does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

import pytest

from headrace.errors import QueueUnavailableError
from headrace.wire.commands import pack
from headrace.wire.link import Link
from headrace.wire.target import parse_target
from support.queue_driver import QueueDriver
from support.servers import RedisServer
from support.wire_proxy import Faults, Framer, WireProxy

T = TypeVar("T")


@pytest.fixture
async def proxy(redis_server: RedisServer, redis_url: str) -> AsyncIterator[WireProxy]:
    async with WireProxy(redis_server.port) as running:
        yield running


@pytest.fixture
async def through(proxy: WireProxy) -> AsyncIterator[Link]:
    """A link that goes through the proxy; it gives up after half a second."""
    opened = Link(parse_target(proxy.url), timeout=0.5)
    yield opened
    await opened.close()


@pytest.mark.parametrize("step", [1, 3, 1000])
def test_the_framer_cuts_at_message_ends_however_the_bytes_come(step: int) -> None:
    messages = [
        pack("SET", "k", b"\r\n$3\r\n"),
        b"+OK\r\n",
        b":-12\r\n",
        b"$-1\r\n",
        b"*-1\r\n",
        b"*0\r\n",
        b"*2\r\n*1\r\n$2\r\nab\r\n:1\r\n",
        b"-ERR no\r\n",
    ]
    stream, framer = b"".join(messages), Framer()
    found = [packet for i in range(0, len(stream), step) for packet, _ in framer.feed(stream[i : i + step])]
    assert found == messages


async def test_without_faults_all_passes(through: Link, proxy: WireProxy) -> None:
    payload = bytes(range(256)) * 2_000
    assert await through.request("SET", "k", payload) == b"OK"
    assert await through.request("GET", "k") == payload
    assert await through.pipeline([("INCR", "n")] * 100) == list(range(1, 101))
    assert proxy.requests == 102


async def test_a_dropped_reply_was_executed(through: Link, proxy: WireProxy, link: Link) -> None:
    proxy.faults = Faults(drop_reply_every=3)
    outcomes = [await answered(through.request("INCR", "n")) for _ in range(9)]
    assert outcomes == [True, True, False] * 3
    assert await link.request("GET", "n") == b"9"
    assert (proxy.replies_lost, proxy.requests_lost) == (3, 0)


async def test_a_cut_request_was_not_executed(through: Link, proxy: WireProxy, link: Link) -> None:
    proxy.faults = Faults(cut_request_every=3)
    outcomes = [await answered(through.request("INCR", "n")) for _ in range(9)]
    assert outcomes == [True, True, False] * 3
    assert await link.request("GET", "n") == b"6"
    assert (proxy.replies_lost, proxy.requests_lost) == (0, 3)


async def test_a_black_hole_swallows_and_ends(through: Link, proxy: WireProxy, link: Link) -> None:
    assert await answered(through.request("INCR", "n"))
    proxy.faults = Faults(blackhole=True)
    assert not await answered(through.request("INCR", "n"))
    proxy.faults = Faults()
    assert await answered(through.request("INCR", "n"))
    assert await link.request("GET", "n") == b"2"


async def test_a_delay_delays(through: Link, proxy: WireProxy) -> None:
    await through.request("PING")
    proxy.faults = Faults(delay=0.05)
    before = asyncio.get_running_loop().time()
    await through.request("PING")
    assert asyncio.get_running_loop().time() - before >= 0.05


async def test_cut_all_cuts_and_the_link_comes_back(through: Link, proxy: WireProxy) -> None:
    await through.request("PING")
    waiting = asyncio.create_task(through.request("BLPOP", "never", 0, timeout=20))
    await asyncio.sleep(0)
    assert proxy.cut_all() == 1
    with pytest.raises(QueueUnavailableError):
        await waiting
    assert await through.request("PING") == b"PONG"


async def answered(call: Awaitable[object]) -> bool:
    try:
        await call
    except QueueUnavailableError:
        return False
    return True


async def insist(call: Callable[[], Awaitable[T]]) -> T:
    """What a worker does with a replayable call: the very same again, until it is answered."""
    for _ in range(20):
        try:
            return await call()
        except QueueUnavailableError:
            continue
    raise AssertionError("no answer in 20 tries")


@pytest.mark.parametrize("k", [2, 3, 5])
@pytest.mark.parametrize("fault", [lambda k: Faults(drop_reply_every=k), lambda k: Faults(cut_request_every=k)])
async def test_each_script_survives_every_lost_message(
    through: Link, proxy: WireProxy, fault: Callable[[int], Faults], k: int
) -> None:
    queue = QueueDriver(through)
    proxy.faults = fault(k)
    assert (await insist(lambda: queue.join("s")))[0] == b"OK"
    for batch in range(10):
        ids = [f"j{batch}-{i}" for i in range(10)]
        await insist(lambda: queue.enqueue(ids, seq=batch + 1))  # noqa: B023 - called before the loop goes on
    done: dict[str, tuple[str, ...]] = {}
    ran: list[str] = []
    for seq in range(100, 100 + 16):
        got = await insist(lambda: queue.exchange("s", 7, seq=seq, done=done))  # noqa: B023
        assert (await insist(lambda: queue.renew("s")))[0] == b"OK"
        assert got.stale == ()
        ran += got.ids
        done = got.done
    await insist(lambda: queue.leave("s"))
    assert proxy.replies_lost + proxy.requests_lost == proxy.requests // k > 7
    proxy.faults = Faults()
    assert len(ran) == len(set(ran)) == 100
    snapshot = await queue.look()
    assert (snapshot.places, snapshot.completed(), snapshot.counter("enqueued")) == ({}, 100, 100)
