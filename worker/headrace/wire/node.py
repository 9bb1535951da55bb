"""One server, or whichever one Sentinels call the master: its connection is opened on first use and after a failure.

A server that takes no writes any more loses the connection, so that the next call looks for the primary anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from headrace.wire.commands import Argument, Reply
from headrace.wire.connection import Connection, connect
from headrace.wire.errors import DemotedError, closed_meanwhile, map_error
from headrace.wire.sentinel import MasterWatch, check_role, find_master
from headrace.wire.target import Address, Sentinels, Target


class Node:
    """Safe to share between tasks."""

    def __init__(self, target: Target, name: str, timeout: float) -> None:
        """`timeout`: seconds to connect within."""
        self.target = target
        self._name = name
        self._timeout = timeout
        self._connection: Connection | None = None
        self._opening = asyncio.Lock()
        self._closed = 0
        """How often: what was begun before must not go on after it, on a connection that nobody would close."""
        self._master: Address = (target.host, target.port)
        self._watch = MasterWatch(target, target.found_by, timeout) if isinstance(target.found_by, Sentinels) else None

    async def connection(self) -> Connection:
        """The open connection. Raises QueueUnavailableError."""
        current = self._connection
        if current is not None and not current.closed.is_set():
            return current
        closed = self._closed
        async with self._opening:
            if closed != self._closed:
                raise closed_meanwhile()
            if self._connection is None or self._connection.closed.is_set():
                opened = await self._open()
                if closed != self._closed:
                    opened.close()
                    raise closed_meanwhile()
                self._connection = opened
            return self._connection

    async def _open(self) -> Connection:
        found_by = self.target.found_by
        if not isinstance(found_by, Sentinels):
            return await connect(self.target, name=self._name, timeout=self._timeout)
        master = await find_master(self.target, found_by, self._timeout)
        connection = await connect(master, name=self._name, timeout=self._timeout)
        try:
            (role,) = await connection.pipeline_replies([("ROLE",)], self._timeout)
            check_role(master, role)
        except BaseException:
            connection.close()
            raise
        self._master = (master.host, master.port)
        return connection

    async def send(self, _key: str | None, packed: bytes, timeout: float, ahead: int = 0) -> Reply:
        """Send an encoded command, whatever its key, see Connection.send. Raises QueueUnavailableError."""
        connection = await self.connection()
        if self._watch is not None:
            self._watch.look(self._master, connection)
        reply = await connection.send(packed, timeout, ahead)
        if isinstance(reply, Exception) and isinstance(map_error(reply), DemotedError):
            connection.close()
        return reply

    async def pipeline_replies(self, commands: Sequence[Sequence[Argument]], timeout: float) -> list[Reply]:
        """Several commands in one write; the same."""
        connection = await self.connection()
        if self._watch is not None:
            self._watch.look(self._master, connection)
        replies = await connection.pipeline_replies(commands, timeout)
        if any(isinstance(reply, Exception) and isinstance(map_error(reply), DemotedError) for reply in replies):
            connection.close()
        return replies

    async def pipeline_at(
        self, _key: str | None, commands: Sequence[Sequence[Argument]], timeout: float
    ) -> list[Reply]:
        """The same."""
        return await self.pipeline_replies(commands, timeout)

    async def each_primary(self) -> list[Node]:
        """Itself."""
        return [self]

    async def close(self) -> None:
        """Close the connection; calls under way fail, a later one opens a new one."""
        self._closed += 1
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._watch is not None:
            await self._watch.close()
