"""What every suite may ask for: a real server, its address with an empty database, a link to it."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Iterator

import pytest
from hypothesis import settings

from headrace.wire.link import Link
from headrace.wire.target import parse_target
from support.topologies import BINARIES, EVERYWHERE, Place, place

# A property's time depends on what else the machine does; benchmarks measure speed, tests don't.
settings.register_profile("headrace", deadline=None)
settings.load_profile("headrace")

# A shell's background job ignores Ctrl-C, and so would every command that a test starts and interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each installed kind of server in turn; what is marked `everywhere` runs on every topology; or as a test says."""
    marks = metafunc.definition.iter_markers("parametrize")
    if "redis_server" in metafunc.fixturenames and not any(mark.args[0] == "redis_server" for mark in marks):
        everywhere = metafunc.definition.get_closest_marker("everywhere") is not None
        metafunc.parametrize(
            "redis_server", EVERYWHERE if everywhere else list(BINARIES), indirect=True, scope="session"
        )


@pytest.fixture(scope="session")
def redis_server(request: pytest.FixtureRequest) -> Iterator[Place]:
    """One of `support.topologies.EVERYWHERE` for the whole run, without persistence."""
    with place(request.param) as server:
        yield server


@pytest.fixture
def redis_url(redis_server: Place) -> str:
    """The server's address; the database is empty when the test begins."""
    redis_server.flush()
    return redis_server.url


@pytest.fixture
async def link(redis_url: str) -> AsyncIterator[Link]:
    """A link to the empty database, closed after the test."""
    opened = Link(parse_target(redis_url))
    yield opened
    await opened.close()
