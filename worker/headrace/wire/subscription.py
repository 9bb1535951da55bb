"""Listens to channels on a connection of its own and comes back after each failure.

Owns that connection. Messages sent while it was away are lost, so each (re)connect is told: the caller looks again
at what the messages would have said. Knows nothing of queues.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing, closing
from dataclasses import dataclass
from typing import Any, TypeVar

import hiredis

from headrace.errors import HeadraceError, QueueUnavailableError
from headrace.wire.commands import Argument, login_commands, pack
from headrace.wire.connection import CONNECT_TIMEOUT
from headrace.wire.errors import map_error, unreachable
from headrace.wire.resolve import resolve
from headrace.wire.sentinel import find_master
from headrace.wire.target import Address, Seeds, Sentinels, Target

T = TypeVar("T")

PING_EVERY = 10.0
"""Seconds of silence after which the server is asked whether it is still there."""
ANSWER_WITHIN = 10.0
"""Seconds it has for the answer."""
BACKOFF_BASE = 0.1
BACKOFF_CAP = 5.0
"""Seconds between attempts, doubled from base to cap, with full jitter."""


@dataclass(frozen=True)
class Subscribed:
    """Listening from now on; what was said before may have been missed."""


@dataclass(frozen=True)
class Message:
    """Something was published."""

    channel: str
    payload: bytes


@dataclass(frozen=True)
class Lost:
    """Not listening; another attempt follows by itself."""

    error: HeadraceError


Event = Subscribed | Message | Lost


async def subscribe(
    target: Target, channels: Sequence[str], *, name: str = "headrace-signals"
) -> AsyncGenerator[Event, None]:
    """Yield events until the caller stops (use `contextlib.aclosing`); never ends and never raises by itself."""
    async with aclosing(listening(target, name, lambda wire: _listen(wire, channels))) as events:
        async for event in events:
            yield event


async def _listen(wire: PushWire, channels: Sequence[str]) -> AsyncGenerator[Subscribed | Message, None]:
    wire.write("SUBSCRIBE", *channels)
    for _ in channels:
        await wire.read(CONNECT_TIMEOUT)
    yield Subscribed()
    while True:
        kind, *rest = await wire.read_or_ping()
        if kind == b"message":
            yield Message(rest[0].decode(), rest[1])


async def listening(
    target: Target, name: str, listen: Callable[[PushWire], AsyncGenerator[T, None]]
) -> AsyncGenerator[T | Lost, None]:
    """Yield what `listen` makes of a connection, and of a new one after each failure; never ends by itself."""
    failures = 0
    while True:
        try:
            with closing(await PushWire.open(target, name)) as wire:
                async with aclosing(listen(wire)) as heard:
                    async for event in heard:
                        failures = 0
                        yield event
        except HeadraceError as error:
            yield Lost(error)
        failures += 1
        await asyncio.sleep(random.uniform(0, min(BACKOFF_CAP, BACKOFF_BASE * 2**failures)))


async def _server(target: Target) -> Target:
    """Whom to listen to: the primary, and any node of a Cluster, which hears what is published at the others. Each
    attempt takes another, so that one that is gone is not the end.
    """
    match target.found_by:
        case Sentinels() as sentinels:
            return await find_master(target, sentinels, CONNECT_TIMEOUT)
        case Seeds(addresses):
            return target.at(random.choice(addresses))
        case None:
            return target


async def _connected(target: Target, addresses: Sequence[Address]) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if target.unix_path:
        return await asyncio.open_unix_connection(target.unix_path)
    context = target.tls_context()
    name = target.host if context else None
    failure: OSError | None = None
    for host, port in addresses:
        try:
            return await asyncio.open_connection(host, port, ssl=context, server_hostname=name)
        except OSError as error:
            failure = error
    raise failure or OSError("the name has no address")


class PushWire:
    """Replies as they come, in push mode: nobody waits for a particular one."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._parser = hiredis.Reader()

    @classmethod
    async def open(cls, target: Target, name: str) -> PushWire:
        """Connected and logged in. Raises QueueUnavailableError, or ServerError when Redis refuses the login."""
        wire = await cls._connect(await _server(target))
        try:
            for command in login_commands(target, name):
                wire.write(*command)
                await wire.read(CONNECT_TIMEOUT)
        except BaseException:
            wire.close()
            raise
        return wire

    @classmethod
    async def _connect(cls, server: Target) -> PushWire:
        # Named apart: a name service that is silent is not a server that is.
        addresses = await resolve(server, CONNECT_TIMEOUT)
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                return cls(*await _connected(server, addresses))
        except TimeoutError:
            raise QueueUnavailableError(f"no connection to {server.redacted} within {CONNECT_TIMEOUT:g} s") from None
        except OSError as error:
            raise unreachable(server, error) from error

    def write(self, *command: Argument) -> None:
        self._writer.write(pack(*command))

    async def read(self, timeout: float) -> Any:
        """The next reply. Raises QueueUnavailableError."""
        try:
            async with asyncio.timeout(timeout):
                return await self._next()
        except TimeoutError:
            raise QueueUnavailableError(f"Redis gave no answer within {timeout:g} s") from None

    async def read_or_ping(self) -> Any:
        """The next reply, asking after it once."""
        try:
            async with asyncio.timeout(PING_EVERY):
                return await self._next()
        except TimeoutError:
            self.write("PING")
            return await self.read(ANSWER_WITHIN)

    async def _next(self) -> Any:
        try:
            while (reply := self._parser.gets()) is False:
                data = await self._reader.read(65536)
                if not data:
                    raise QueueUnavailableError("the connection to Redis was lost")
                self._parser.feed(data)
        except (OSError, hiredis.ProtocolError) as error:
            raise QueueUnavailableError(f"the connection to Redis was lost: {error}") from error
        if isinstance(reply, Exception):
            raise map_error(reply)
        return reply

    def close(self) -> None:
        self._writer.transport.abort()
