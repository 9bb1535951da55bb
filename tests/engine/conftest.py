"""What the engine's tests start from: a driver with its clock held, a seeder, the admin, a lab with real workers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from headrace.admin.queue_admin import QueueAdmin
from headrace.wire.link import Link
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
