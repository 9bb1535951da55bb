"""A driver over the scripts of one empty queue, its clock held; and a lab with real workers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from headrace.wire.link import Link
from support.lab import Lab
from support.queue_driver import QueueDriver


@pytest.fixture
async def queue(link: Link) -> QueueDriver:
    """The clock stands until the test lets time pass."""
    driver = QueueDriver(link)
    await driver.hold_clock()
    return driver


@pytest.fixture
async def lab(redis_url: str, tmp_path: Path) -> AsyncIterator[Lab]:
    """On the empty server; what it started ends with the test."""
    made = Lab(redis_url, tmp_path)
    yield made
    await made.close()
