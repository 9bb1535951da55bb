"""One connection to Redis: requests out, replies in order, nothing retried.

A request that is given up (cancelled, or past its deadline) leaves its place in line, so its reply can never
reach the next caller. After a deadline the connection is closed: a server that does not answer is not trusted to.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import cast

import hiredis

from headrace.errors import QueueUnavailableError
from headrace.wire.commands import Argument, Reply, login_commands, pack
from headrace.wire.errors import ServerError, map_error, plain_reason, unreachable
from headrace.wire.resolve import resolve
from headrace.wire.target import Address, Target

CONNECT_TIMEOUT = 5.0


class Connection(asyncio.Protocol):
    """Made by `connect`. Requests may overlap; replies come back in the order of the requests."""

    def __init__(self) -> None:
        self._reader = hiredis.Reader()
        self._waiting: deque[asyncio.Future[Reply]] = deque()
        self._transport: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()
        self._nobody: asyncio.Future[Reply] = self._loop.create_future()
        self._nobody.cancel()
        self.closed = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        try:
            while (reply := self._reader.gets()) is not False:
                future = self._waiting.popleft()
                if not future.done():
                    future.set_result(reply)
        except (hiredis.ProtocolError, IndexError) as error:
            self._fail(f"Redis sent something that is not a reply: {error}")

    def connection_lost(self, exc: Exception | None) -> None:
        reason = plain_reason(exc) if isinstance(exc, OSError) else exc
        self._fail(f"the connection to Redis was lost{f': {reason}' if reason else ''}")

    def _fail(self, why: str) -> None:
        self.closed.set()
        if self._transport:
            self._transport.abort()
        while self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                future.set_exception(QueueUnavailableError(why))

    def close(self) -> None:
        """Close at once; requests still waiting fail."""
        self._fail("the connection to Redis was closed")

    def _timed_out(self, future: asyncio.Future[Reply], timeout: float) -> None:
        if not future.done():
            self._fail(f"Redis gave no answer within {timeout:g} s")

    async def request(self, *args: Argument, timeout: float) -> Reply:
        """Send one command and wait for its reply.

        Raises QueueUnavailableError (no connection, no answer within `timeout` seconds), or what `map_error` says.
        """
        reply = await self.send(pack(*args), timeout)
        if isinstance(reply, Exception):
            raise map_error(reply)
        return reply

    async def pipeline(self, commands: Sequence[Sequence[Argument]], timeout: float) -> list[Reply]:
        """Send commands in one write; raises for the first that failed, once all have answered."""
        replies = await self.pipeline_replies(commands, timeout)
        for reply in replies:
            if isinstance(reply, Exception):
                raise map_error(reply)
        return replies

    async def pipeline_replies(self, commands: Sequence[Sequence[Argument]], timeout: float) -> list[Reply]:
        """The same; error replies come back as values, for callers whose commands don't depend on each other."""
        if not commands:
            return []
        packed = b"".join(pack(*command) for command in commands)
        futures = [self._loop.create_future() for _ in commands]
        self._waiting.extend(futures)
        self._write(packed)
        timer = self._loop.call_later(timeout, self._timed_out, futures[-1], timeout)
        try:
            return await asyncio.gather(*futures)
        finally:
            timer.cancel()

    async def send(self, packed: bytes, timeout: float, ahead: int = 0) -> Reply:
        """Send an encoded command; error replies come back as values. `ahead`: so many commands are packed before it,
        whose replies nobody wants.
        """
        for _ in range(ahead):
            self._waiting.append(self._nobody)
        future: asyncio.Future[Reply] = self._loop.create_future()
        self._waiting.append(future)
        self._write(packed)
        timer = self._loop.call_later(timeout, self._timed_out, future, timeout)
        try:
            return await future
        finally:
            timer.cancel()

    def _write(self, packed: bytes) -> None:
        if self._transport is None or self.closed.is_set():
            self._fail("the connection to Redis is closed")
        else:
            self._transport.write(packed)


async def connect(target: Target, *, name: str = "headrace", timeout: float = CONNECT_TIMEOUT) -> Connection:
    """Open a connection to one server and log in. Raises QueueUnavailableError within `timeout` seconds."""
    give_up = asyncio.get_running_loop().time() + timeout
    addresses = await resolve(target, timeout)
    try:
        async with asyncio.timeout_at(give_up):
            connection = await _open(target, addresses)
    except TimeoutError:
        raise QueueUnavailableError(f"no connection to {target.redacted} within {timeout:g} s") from None
    except OSError as error:
        raise unreachable(target, error) from error
    try:
        await _log_in(connection, target, name, timeout)
    except BaseException:
        connection.close()
        raise
    return connection


async def _open(target: Target, addresses: Sequence[Address]) -> Connection:
    """Connect to the first address that takes it. Raises what the last one failed with."""
    loop = asyncio.get_running_loop()
    if target.unix_path:
        _, connection = await loop.create_unix_connection(Connection, target.unix_path)
        return connection
    context = target.tls_context()
    name = target.host if context else None
    failure: OSError | None = None
    for host, port in addresses:
        try:
            _, connection = await loop.create_connection(Connection, host, port, ssl=context, server_hostname=name)
        except OSError as error:
            failure = error
        else:
            return connection
    raise failure or OSError("the name has no address")


async def _log_in(connection: Connection, target: Target, name: str, timeout: float) -> None:
    try:
        await connection.pipeline(login_commands(target, name), timeout)
    except ServerError as error:
        raise QueueUnavailableError(f"{target.redacted} refused the login: {error}") from error
