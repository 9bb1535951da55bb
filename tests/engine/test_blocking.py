"""The connection without an event loop: what it answers, and that it fails in the words of the other one."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from time import monotonic
from typing import Any

import pytest

from headrace.admin.queue_admin import QueueAdmin, stats_many
from headrace.errors import ConfigError, HeadraceError, QueueUnavailableError
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


def _addresses(*hosts: str) -> list[Any]:
    """As `getaddrinfo` has them."""
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, 0)) for host in hosts]


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


@contextmanager
def speaking(talk: Callable[[socket.socket], None], visits: int = 2) -> Iterator[Target]:
    """A server that does that with so many who come."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        listening.settimeout(30)

        def serve() -> None:
            for _ in range(visits):
                came, _ = listening.accept()
                with closing(came), suppress(OSError):
                    came.recv(4096)
                    talk(came)

        serving = threading.Thread(target=serve, daemon=True)
        serving.start()
        yield Target("127.0.0.1", listening.getsockname()[1])
        serving.join(30)
        assert not serving.is_alive()


def test_somebody_else_there() -> None:
    with speaking(lambda came: came.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as target:
        both_fail("Redis sent something that is not a reply", target)


def test_a_server_that_closes() -> None:
    with speaking(lambda came: None) as target:
        both_fail("the connection to Redis was lost", target)


def test_a_server_that_answers_more_than_it_was_asked() -> None:
    """The second one must not be taken for what the next question is answered."""
    with (
        speaking(lambda came: came.sendall(b"+OK\r\n+STRANGER\r\n"), visits=1) as target,
        pytest.raises(QueueUnavailableError, match="more than was asked for"),
    ):
        _blocking(target)


def test_a_server_that_drips_keeps_nobody_beyond_the_deadline() -> None:
    over = threading.Event()

    def drip(came: socket.socket) -> None:
        came.sendall(b"+OK\r\n")
        came.recv(4096)
        came.sendall(b"+")
        while not over.wait(0.05):
            came.sendall(b"x")

    with speaking(drip, visits=1) as target:
        with pytest.raises(QueueUnavailableError, match=r"Redis gave no answer within 0\.2 s"):
            _blocking(target)
        over.set()


def test_addresses_share_one_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float | None] = []

    def hang(self: socket.socket, _: object) -> None:
        waits.append(self.gettimeout())
        over.wait(self.gettimeout())
        raise TimeoutError

    over = threading.Event()
    monkeypatch.setattr(socket.socket, "connect", hang)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: _addresses("127.0.0.2", "127.0.0.3", "127.0.0.2"))
    with pytest.raises(QueueUnavailableError, match="no connection to redis://redis"):
        _blocking(Target("redis.example"), timeout=0.05)
    assert len(waits) == 1


@pytest.mark.parametrize("name", ["no.such.name.invalid", "two..dots", "bü..cher", "ü" * 64 + ".example", "\udcff"])
def test_a_name_without_address(name: str) -> None:
    both_fail("can't connect to redis://", Target(name))


@pytest.mark.parametrize("name", [".dot", "bü..cher"])
def test_a_name_that_tls_can_not_ask_for(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: _addresses("127.0.0.1"))
    assert both_fail("TLS can't ask rediss://", Target(name, tls=True)) is ConfigError


def test_without_a_thread_to_ask_in_a_name_is_waited_for(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    """The renewal thread must connect anew whatever the system is short of."""

    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert _blocking(replace(target, host="localhost")) == b"PONG"


def test_a_number_needs_no_thread(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headrace.wire.blocking.Thread", None)
    assert _blocking(replace(target, host="127.0.0.1")) == b"PONG"


def test_an_authority_that_can_not_be_read_is_said_first() -> None:
    wrong = parse_target("rediss://127.0.0.1:1?ca_file=/nowhere.pem")
    assert both_fail("the CA certificate", wrong) is ConfigError


def test_a_name_service_that_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()

    def ask(*_: Any, flags: int = 0, **__: Any) -> list[Any]:
        if not flags:
            over.wait(30)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", ask)
    began = monotonic()
    with pytest.raises(QueueUnavailableError, match="the name service gave no answer"):
        _blocking(Target("redis.example"), timeout=0.1)
    over.set()
    assert monotonic() - began < 20


def test_an_address_that_refuses_is_passed_over(server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    port = parse_target(server.url).port
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: _addresses("127.0.0.2", "127.0.0.1"))
    target = parse_target(f"redis://ada:s3cret@redis.example:{port}")
    assert _blocking(target) == b"PONG"


def test_what_needs_an_event_loop_says_so() -> None:
    async def ask(_: Link) -> None:
        await asyncio.sleep(0)

    with pytest.raises(RuntimeError, match="needs an event loop"):
        _blocking(Target(), ask)
