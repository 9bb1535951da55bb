"""One server, or whichever one Sentinels call the master: its connection is opened on first use and after a failure.

A server that takes no writes any more loses the connection, so that the next call looks for the primary anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from headrace.wire.connection import Argument, Connection, DemotedError, Reply, connect, map_error
from headrace.wire.sentinel import check_role, find_master
from headrace.wire.target import Sentinels, Target


class Node:
    """Safe to share between tasks."""

    def __init__(self, target: Target, name: str, timeout: float) -> None:
        """`timeout`: seconds to connect within."""
        self.target = target
        self._name = name
        self._timeout = timeout
        self._connection: Connection | None = None
        self._opening = asyncio.Lock()

    async def connection(self) -> Connection:
        """The open connection. Raises QueueUnavailableError."""
        current = self._connection
        if current is not None and not current.closed.is_set():
            return current
        async with self._opening:
            if self._connection is None or self._connection.closed.is_set():
                self._connection = await _open(self.target, self._name, self._timeout)
            return self._connection

    async def send(self, packed: bytes, timeout: float) -> Reply:
        """Send an encoded command; error replies come back as values. Raises QueueUnavailableError."""
        connection = await self.connection()
        reply = await connection.send(packed, timeout)
        if isinstance(reply, Exception) and isinstance(map_error(reply), DemotedError):
            connection.close()
        return reply

    async def pipeline_replies(self, commands: Sequence[Sequence[Argument]], timeout: float) -> list[Reply]:
        """Several commands in one write; the same."""
        connection = await self.connection()
        replies = await connection.pipeline_replies(commands, timeout)
        if any(isinstance(reply, Exception) and isinstance(map_error(reply), DemotedError) for reply in replies):
            connection.close()
        return replies

    def close(self) -> None:
        """Close the connection; a later call opens a new one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


async def _open(target: Target, name: str, timeout: float) -> Connection:
    if not isinstance(target.found_by, Sentinels):
        return await connect(target, name=name, timeout=timeout)
    master = await find_master(target, target.found_by, timeout)
    connection = await connect(master, name=name, timeout=timeout)
    try:
        (role,) = await connection.pipeline_replies([("ROLE",)], timeout)
        check_role(master, role)
    except BaseException:
        connection.close()
        raise
    return connection
