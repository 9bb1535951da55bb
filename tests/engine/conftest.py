"""A driver over the scripts of one empty queue, its clock held."""

from __future__ import annotations

import pytest
from headrace.wire.link import Link

from support.queue_driver import QueueDriver


@pytest.fixture
async def queue(link: Link) -> QueueDriver:
    """The clock stands until the test lets time pass."""
    driver = QueueDriver(link)
    await driver.hold_clock()
    return driver
