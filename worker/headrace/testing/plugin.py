"""The pytest plugin: fixtures for tests of applications. Imports nothing of headrace until a test asks for it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from headrace.brokers.memory.clock import VirtualClock
    from headrace.client.fleet import Fleet
    from headrace.testing.manual import ManualWorker


@pytest.fixture
def headrace_clock() -> VirtualClock:
    """A clock that stands still until the test moves it."""
    from headrace.testing import VirtualClock

    return VirtualClock()


@pytest.fixture
def headrace_worker(
    headrace_clock: VirtualClock,
) -> Callable[..., AbstractAsyncContextManager[ManualWorker]]:
    """`async with headrace_worker(fleet) as worker:` is `manual_worker` on the clock of `headrace_clock`."""
    from headrace.testing import manual_worker

    def opened(fleet: Fleet, **settings: Any) -> AbstractAsyncContextManager[ManualWorker]:
        return manual_worker(fleet, clock=headrace_clock, **settings)

    return opened
