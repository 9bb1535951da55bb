"""What every suite may ask for: a real server, its address with an empty database, a link to it."""

from __future__ import annotations

import signal
import socket
from collections.abc import AsyncIterator, Iterator

import pytest
from hypothesis import settings

from headrace.wire.link import Link
from headrace.wire.target import parse_target
from support.servers import RedisServer, server_binaries

# A property's time depends on what else the machine does; benchmarks measure speed, tests don't.
settings.register_profile("headrace", deadline=None)
settings.load_profile("headrace")

# A shell's background job ignores Ctrl-C, and so would every command that a test starts and interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)

_BINARIES = dict(server_binaries())


@pytest.fixture(scope="session", params=_BINARIES)
def redis_server(request: pytest.FixtureRequest) -> Iterator[RedisServer]:
    """One server for the whole run, without persistence; each installed kind in turn."""
    with RedisServer(binary=_BINARIES[request.param]) as server:
        yield server


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """The server's address; the database is empty when the test begins."""
    with socket.create_connection(("127.0.0.1", redis_server.port), 10) as wire:
        wire.sendall(b"FLUSHALL\r\n")
        assert wire.recv(64) == b"+OK\r\n"
    return redis_server.url


@pytest.fixture
async def link(redis_url: str) -> AsyncIterator[Link]:
    """A link to the empty database, closed after the test."""
    opened = Link(parse_target(redis_url))
    yield opened
    await opened.close()
