"""One connection to Redis: requests out, replies in order, nothing retried.

A request that is given up (cancelled, or past its deadline) leaves its place in line, so its reply can never
reach the next caller. After a deadline the connection is closed: a server that does not answer is not trusted to.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final, cast

import hiredis

from headrace.errors import HeadraceError, ProtocolError, QueueFullError, QueueUnavailableError
from headrace.wire.resolve import resolve
from headrace.wire.target import Address, Target

Argument = str | bytes | int | float
Reply = Any
"""bytes, int, None or a list of replies."""

CONNECT_TIMEOUT = 5.0


def pack(*args: Argument) -> bytes:
    """One command, encoded."""
    packed: bytes = hiredis.pack_command(cast("Any", args))
    return packed


class ServerError(HeadraceError):
    """Redis answered a command with an error of its own; the text begins with Redis's error code."""


class NoScriptError(ServerError):
    """The server does not know this script (yet, or since a failover)."""


class DemotedError(QueueUnavailableError):
    """The server takes no writes (any more): the primary must be looked for anew."""


class MovedError(QueueUnavailableError):
    """Another node of the Cluster serves this slot."""

    def __init__(self, slot: int, address: Address) -> None:
        super().__init__(f"Redis can't serve now: slot {slot} of the Cluster is at {address[0]}:{address[1]}")
        self.slot = slot
        self.address = address


def _moved(text: str) -> MovedError:
    """`MOVED slot host:port`; a host that is left out is that of the node that says so."""
    _, slot, address = text.split()
    host, _, port = address.rpartition(":")
    return MovedError(int(slot), (host, int(port)))


def _full(text: str) -> QueueFullError:
    if text.startswith("OOM"):
        return QueueFullError("Redis has reached maxmemory; the enqueue was refused, nothing was lost")
    _, limit, room = text.split()
    return QueueFullError("the queue has reached its length limit", limit=int(limit), room=int(room))


_IN_SCRIPT = re.compile(r"ERR Error running script .*?: -(?=[A-Z]+ )", re.DOTALL)
"""What Redis before 7.0 puts before the error of a command in a script."""
_MEANINGS: Final[dict[str, Callable[[str], HeadraceError]]] = {
    "NOSCRIPT": NoScriptError,
    "OOM": _full,
    "QUEUEFULL": _full,
    "WRONGPASS": lambda _: QueueUnavailableError("Redis refused the login: wrong or missing password"),
    "NOAUTH": lambda _: QueueUnavailableError("Redis refused the login: wrong or missing password"),
    "UPGRADE": ProtocolError,
    "MOVED": _moved,
    # Some of the queue's keys are here and some there: only a node that has them all can run its scripts.
    "ASK": lambda _: QueueUnavailableError("Redis can't serve now: the queue is on its way to another Cluster node"),
    **dict.fromkeys(
        ("READONLY", "MASTERDOWN", "UNBLOCKED", "NOREPLICAS"),
        lambda text: DemotedError(f"Redis can't serve now: {text}"),
    ),
    **dict.fromkeys(
        ("LOADING", "CLUSTERDOWN", "TRYAGAIN", "BUSY"),
        lambda text: QueueUnavailableError(f"Redis can't serve now: {text}"),
    ),
}
"""Redis's error codes, and what they are here."""


def map_error(error: Exception) -> HeadraceError:
    """The one place where Redis's error replies become ours."""
    if isinstance(error, HeadraceError):
        return error
    text = _IN_SCRIPT.sub("", str(error), count=1)
    meaning = _MEANINGS.get(text.partition(" ")[0], ServerError)
    return meaning(text)


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
        self._fail(f"the connection to Redis was lost{f': {exc}' if exc else ''}")

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


def plain_reason(error: OSError) -> str:
    """The system's own words; asyncio's ("Connect call failed") don't say why."""
    if isinstance(error, ConnectionError) and error.errno:
        return os.strerror(error.errno)
    return error.strerror or str(error)


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
        raise QueueUnavailableError(f"can't connect to {target.redacted}: {plain_reason(error)}") from error
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


def login_commands(target: Target, name: str) -> list[tuple[Argument, ...]]:
    """What to send on a new connection before anything else."""
    commands: list[tuple[Argument, ...]] = []
    if target.password is not None:
        commands.append(("AUTH", target.username or "default", target.password))
    if target.db:
        commands.append(("SELECT", target.db))
    commands.append(("CLIENT", "SETNAME", name))
    return commands


async def _log_in(connection: Connection, target: Target, name: str, timeout: float) -> None:
    try:
        await connection.pipeline(login_commands(target, name), timeout)
    except ServerError as error:
        raise QueueUnavailableError(f"{target.redacted} refused the login: {error}") from error
