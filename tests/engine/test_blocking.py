"""The connection without an event loop: what it answers, and that it fails in the words of the other one."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from time import monotonic
from typing import Any

import pytest

from headrace.admin.queue_admin import QueueAdmin, stats_many
from headrace.errors import HeadraceError, QueueUnavailableError
from headrace.wire.blocking_node import BlockingNode, finish
from headrace.wire.errors import ServerError
from headrace.wire.link import Link
from headrace.wire.target import Target, parse_target
from support.servers import RedisServer

Ask = Callable[[Link], Awaitable[Any]]


async def _pinged(link: Link) -> Any:
    return await link.request("PING", timeout=0.2)


def _blocking(target: Target, ask: Ask = _pinged, timeout: float = 5) -> Any:
    return finish(_closed(Link(target, nodes=BlockingNode(target, "test", timeout)), ask))


def _waiting(target: Target, ask: Ask = _pinged, timeout: float = 5) -> Any:
    async def run() -> Any:
        return await _closed(Link(target, name="test", timeout=timeout), ask)

    return asyncio.run(run())


async def _closed(link: Link, ask: Ask) -> Any:
    try:
        return await ask(link)
    finally:
        await link.close()


def _failure(run: Callable[..., Any], *said: Any) -> tuple[type[HeadraceError], str]:
    with pytest.raises(HeadraceError) as raised:
        run(*said)
    return raised.type, str(raised.value)


def both_fail(expected: str, target: Target, ask: Ask = _pinged, timeout: float = 5) -> type[HeadraceError]:
    """In the same way, with that in their words."""
    blocking = _failure(_blocking, target, ask, timeout)
    assert blocking == _failure(_waiting, target, ask, timeout)
    assert expected in blocking[1]
    return blocking[0]


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with RedisServer("--user", "ada", "on", ">s3cret", "~*", "&*", "+@all") as running:
        yield running


@pytest.fixture
def target(server: RedisServer) -> Target:
    return parse_target(server.url.replace("redis://", "redis://ada:s3cret@"))


def test_every_way_of_asking_is_answered(target: Target) -> None:
    async def ask(link: Link) -> list[Any]:
        admin = QueueAdmin(link, "q")
        await admin.control.set_limit(7)
        return [
            await admin.control.limit(),
            await link.pipeline([("SET", "{q}a", "1"), ("INCR", "{q}a")]),
            len(await link.run_after(("INCR", "{q}a"), "stats", "hr:{q}:", (), 5)),
            await link.request("GET", "{q}a"),
            list(await stats_many(link, ["q", "r"])),
            [await one.pipeline_replies([("PING",)], 5) for one in await link.servers()],
        ]

    answered = _blocking(target, ask)
    assert answered == _waiting(target, ask)
    assert (answered[0], answered[3], answered[-1]) == (7, b"3", [[b"PONG"]])


def test_after_a_failure_it_connects_anew(server: RedisServer, target: Target) -> None:
    node = BlockingNode(target, "test", 5)
    link = Link(target, nodes=node)
    assert finish(link.request("PING")) == b"PONG"
    server.freeze()
    with pytest.raises(QueueUnavailableError, match=r"Redis gave no answer within 0\.2 s"):
        finish(link.request("INCR", "late", timeout=0.2))
    server.thaw()
    assert finish(link.request("PING")) == b"PONG"
    server.kill()
    server.start()
    with pytest.raises(QueueUnavailableError, match="connection to Redis was lost"):
        finish(link.request("PING"))
    assert finish(link.request("PING")) == b"PONG"
    finish(link.close())


def test_an_error_of_the_server_is_its_own(target: Target) -> None:
    async def ask(link: Link) -> Any:
        await link.request("SET", "text", "x")
        return await link.request("INCR", "text")

    assert both_fail("not an integer", target, ask) is ServerError


def test_a_wrong_password(server: RedisServer) -> None:
    both_fail("wrong or missing password", parse_target(server.url.replace("redis://", "redis://ada:wr0ng@")))


def test_nobody_there() -> None:
    both_fail("can't connect to redis://127.0.0.1:1/0: Connection refused", parse_target("redis://127.0.0.1:1"))
    both_fail("No such file or directory", parse_target("unix:///nowhere/redis.sock"))


def test_no_answer(server: RedisServer, target: Target) -> None:
    async def frozen(link: Link) -> Any:
        await _pinged(link)
        server.freeze()
        try:
            return await _pinged(link)
        finally:
            server.thaw()

    both_fail("Redis gave no answer within 0.2 s", target, frozen)


def test_somebody_else_there() -> None:
    """Says something that is no reply, to each who comes."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:

        def speak() -> None:
            for _ in range(2):
                came, _ = listening.accept()
                came.recv(4096)
                came.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                came.close()

        speaking = threading.Thread(target=speak)
        speaking.start()
        both_fail("Redis sent something that is not a reply", Target("127.0.0.1", listening.getsockname()[1]))
        speaking.join()


@pytest.mark.parametrize("name", ["no.such.name.invalid", "two..dots", "l" * 64 + ".example"])
def test_a_name_without_address(name: str) -> None:
    with pytest.raises(QueueUnavailableError, match="can't connect to redis://"):
        _blocking(Target(name))


def test_a_name_service_that_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: over.wait(30) and [])
    began = monotonic()
    with pytest.raises(QueueUnavailableError, match="the name service gave no answer"):
        _blocking(Target("redis.example"), timeout=0.1)
    over.set()
    assert monotonic() - began < 20


def test_an_address_that_refuses_is_passed_over(server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    port = parse_target(server.url).port
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port)) for host in ("127.0.0.2", "127.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    target = parse_target(f"redis://ada:s3cret@redis.example:{port}")
    assert _blocking(target) == b"PONG"


def test_what_needs_an_event_loop_says_so() -> None:
    async def ask(_: Link) -> None:
        await asyncio.sleep(0)

    with pytest.raises(RuntimeError, match="needs an event loop"):
        _blocking(Target(), ask)
