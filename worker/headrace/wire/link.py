"""A connection that comes back: opened on first use and after a failure, scripts loaded when missing.

A call is sent once. Whether to send it again is the caller's decision: only the caller knows that it is replayable.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from headrace.contract.scripts import script
from headrace.wire.connection import (
    Argument,
    Connection,
    NoScriptError,
    Reply,
    connect,
    map_error,
    pack,
)
from headrace.wire.target import Target

CALL_TIMEOUT = 5.0
"""Seconds to wait for an answer unless the caller says otherwise."""


class Link:
    """One lazily opened connection to `target`. Safe to share between tasks; use one per lane where speed matters."""

    def __init__(self, target: Target, *, name: str = "headrace", timeout: float = CALL_TIMEOUT) -> None:
        self.target = target
        self.timeout = timeout
        self._name = name
        self._connection: Connection | None = None
        self._opening = asyncio.Lock()

    async def connection(self) -> Connection:
        """The open connection. Raises QueueUnavailableError."""
        current = self._connection
        if current is not None and not current.closed.is_set():
            return current
        async with self._opening:
            if self._connection is None or self._connection.closed.is_set():
                self._connection = await connect(self.target, name=self._name, timeout=self.timeout)
            return self._connection

    async def run(self, name: str, prefix: str, *args: Argument, timeout: float | None = None) -> Reply:
        """Run a script on the queue with that key prefix. Raises what `Connection.request` raises."""
        chosen = script(name)
        wait = self.timeout if timeout is None else timeout
        connection = await self.connection()
        reply = await connection.send(pack("EVALSHA", chosen.sha, 1, prefix, *args), wait)
        if not isinstance(reply, Exception):
            return reply
        error = map_error(reply)
        if not isinstance(error, NoScriptError):
            raise error
        return await connection.request("EVAL", chosen.source, 1, prefix, *args, timeout=wait)

    async def request(self, *args: Argument, timeout: float | None = None) -> Reply:
        """One command. Raises what `Connection.request` raises."""
        connection = await self.connection()
        return await connection.request(*args, timeout=self.timeout if timeout is None else timeout)

    async def pipeline(self, commands: Sequence[Sequence[Argument]], timeout: float | None = None) -> list[Reply]:
        """Several commands in one round trip."""
        connection = await self.connection()
        return await connection.pipeline(commands, self.timeout if timeout is None else timeout)

    async def pipeline_replies(
        self, commands: Sequence[Sequence[Argument]], timeout: float | None = None
    ) -> list[Reply]:
        """The same; error replies come back as values (`map_error` makes them ours)."""
        connection = await self.connection()
        return await connection.pipeline_replies(commands, self.timeout if timeout is None else timeout)

    async def close(self) -> None:
        """Close the connection; a later call opens a new one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
