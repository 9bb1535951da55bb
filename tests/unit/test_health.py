"""The probes' server starts in a thread of its own; a worker may stop before that thread has come far."""

from __future__ import annotations

import asyncio
import socket
import threading

import pytest

from headrace.worker.health import HealthServer, Probes, bind
from headrace.worker.metrics import Metrics


def _server(listener: socket.socket, loop: asyncio.AbstractEventLoop) -> HealthServer:
    def yes() -> tuple[bool, str]:
        return True, "yes"

    async def refresh() -> None: ...

    return HealthServer(listener, Probes(yes, yes, yes, lambda: None, refresh), Metrics(), "", loop)


@pytest.mark.parametrize("turns", [0, 1, 50])
async def test_stopping_at_any_moment_of_its_start_ends_it_quietly(turns: int) -> None:
    """An exception in its thread would be a warning, and so an error here."""
    before = threading.active_count()
    for _ in range(5):
        server = _server(bind("127.0.0.1", 0), asyncio.get_running_loop())
        server.start()
        for _ in range(turns):
            await asyncio.sleep(0.001)
        await asyncio.to_thread(server.stop)
    async with asyncio.timeout(5):
        while any(thread.name == "headrace-health" for thread in threading.enumerate()):
            await asyncio.sleep(0.01)
    assert threading.active_count() <= before + 1
