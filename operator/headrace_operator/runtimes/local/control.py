"""Talks to a worker over its control socket: is it up, and drain it. Knows nothing of processes."""

from __future__ import annotations

import asyncio
from pathlib import Path

_PATIENCE = 2.0
"""Seconds to wait for an answer beyond what was asked for."""


async def is_up(socket: Path) -> bool:
    """It has joined its queues in Redis and listens."""
    try:
        async with asyncio.timeout(_PATIENCE):
            return (await _ask(socket, "status")).startswith("running")
    except (OSError, TimeoutError):
        return False


async def drain(socket: Path, grace: float) -> bool:
    """Let it claim nothing more and wait for its jobs; whether it holds none now. False, too, if it can't be asked."""
    try:
        async with asyncio.timeout(grace + _PATIENCE):
            return (await _ask(socket, f"drain {grace:g}")) == "drained"
    except (OSError, TimeoutError):
        return False


async def _ask(socket: Path, line: str) -> str:
    """The last line of the answer."""
    reader, writer = await asyncio.open_unix_connection(str(socket))
    try:
        writer.write(f"{line}\n".encode())
        last = ""
        while answer := await reader.readline():
            last = answer.decode(errors="replace").strip()
        return last
    finally:
        writer.transport.abort()
