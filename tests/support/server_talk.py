"""Short questions to servers, for those that arrange them: no event loop, one connection each."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from headrace.errors import HeadraceError
from headrace.wire.blocking import BlockingConnection
from headrace.wire.target import Target
from support.servers import RedisServer

PATIENCE = 60.0
"""Seconds for servers to find each other."""
CALM = 30_000
"""Milliseconds of silence before a server counts as down, where nothing is meant to fail over."""


def ask(server: RedisServer | Target, *words: str | int) -> Any:
    """One command to one server. Raises what it answers."""
    target = server if isinstance(server, Target) else Target(server.host, server.port)
    connection = BlockingConnection(target, 10, "test")
    try:
        return connection.pipeline([words])[0]
    finally:
        connection.close()


def wait_for(ready: Callable[[], object], what: str) -> None:
    """Ask until it is so; what is not there yet may raise."""
    give_up = time.monotonic() + PATIENCE
    while True:
        try:
            if ready():
                return
        except (HeadraceError, LookupError):
            pass
        assert time.monotonic() < give_up, f"not within {PATIENCE:g} s: {what}"
        time.sleep(0.05)


def info(server: RedisServer, section: str) -> dict[str, str]:
    """INFO, by name."""
    lines = ask(server, "INFO", section).decode().splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line)
