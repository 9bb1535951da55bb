"""What the engine's tests start from: a driver with its clock held, a seeder, the admin, a lab with real workers,
a command line."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from headrace.admin.queue_admin import QueueAdmin
from headrace.cli.entry import main
from headrace.wire.link import Link
from headrace.wire.target import parse_target
from support.cli import Cli, Ran, Seed
from support.lab import Lab
from support.queue_driver import QueueDriver
from support.seeding import Seeder


@pytest.fixture
async def queue(link: Link) -> QueueDriver:
    """The clock stands until the test lets time pass."""
    driver = QueueDriver(link)
    await driver.hold_clock()
    return driver


@pytest.fixture
async def seeder(link: Link) -> Seeder:
    """One worker's session that enqueues, claims and settles as told."""
    made = Seeder(link)
    await made.join()
    return made


@pytest.fixture
def admin(link: Link) -> QueueAdmin:
    """The operations on the seeder's queue."""
    return QueueAdmin(link, "q")


@pytest.fixture
async def lab(redis_url: str, tmp_path: Path) -> AsyncIterator[Lab]:
    """On the empty server; what it started ends with the test."""
    made = Lab(redis_url, tmp_path)
    yield made
    await made.close()


@pytest.fixture
def cli(redis_url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Runs a command line in this process, against the empty server."""
    monkeypatch.setenv("REDIS_URL", redis_url)

    def run(*argv: str) -> Ran:
        code = main(argv)
        captured = capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    return run


@pytest.fixture
def seed(redis_url: str) -> Seed:
    """Runs a coroutine with a seeder whose worker has joined."""

    def run(work: Callable[[Seeder], Coroutine[Any, Any, None]]) -> None:
        async def joined() -> None:
            link = Link(parse_target(redis_url))
            seeder = Seeder(link)
            await seeder.join()
            await work(seeder)
            await link.close()

        asyncio.run(joined())

    return run
