"""Listens to channels that come and go, on one connection that comes back after each failure.

Knows nothing of queues. What was said while it was away is lost: each channel tells when it is listened to (again).
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol

from headrace.errors import HeadraceError
from headrace.wire.connection import CONNECT_TIMEOUT, login_commands
from headrace.wire.subscription import BACKOFF_BASE, BACKOFF_CAP, Lost, Message, PushWire
from headrace.wire.target import Target


@dataclass(frozen=True)
class Joined:
    """What is said on this channel is heard from now on."""

    channel: str


Heard = Joined | Message | Lost


class Wire(Protocol):
    """Takes the commands of whoever listens."""

    def write(self, verb: str, name: str, /) -> None:
        """[P]SUBSCRIBE or [P]UNSUBSCRIBE."""


class Channels:
    """The channels wanted at present; a name that ends in `*` is a pattern. For one `follow` at a time."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._names = set(names)
        self._wire: Wire | None = None

    def add(self, name: str) -> None:
        """Want one more; Joined follows."""
        if name not in self._names:
            self._names.add(name)
            self._say("SUBSCRIBE", name)

    def discard(self, name: str) -> None:
        """Want it no more."""
        if name in self._names:
            self._names.discard(name)
            self._say("UNSUBSCRIBE", name)

    def attach(self, wire: Wire | None) -> None:
        """A connection was made, or is gone."""
        self._wire = wire
        for name in self._names if wire else ():
            self._say("SUBSCRIBE", name)

    def _say(self, verb: str, name: str) -> None:
        if self._wire is not None:
            self._wire.write(f"P{verb}" if name.endswith("*") else verb, name)


async def follow(target: Target, channels: Channels, *, name: str = "headrace-results") -> AsyncGenerator[Heard, None]:
    """Yield what is heard until the caller stops (use `contextlib.aclosing`); never ends and never raises by itself."""
    failures = 0
    while True:
        try:
            async with aclosing(_follow(target, channels, name)) as heard:
                async for event in heard:
                    failures = 0
                    yield event
        except HeadraceError as error:
            yield Lost(error)
        failures += 1
        await asyncio.sleep(random.uniform(0, min(BACKOFF_CAP, BACKOFF_BASE * 2**failures)))


async def _follow(target: Target, channels: Channels, name: str) -> AsyncGenerator[Heard, None]:
    wire = await PushWire.open(target)
    try:
        for command in login_commands(target, name):
            wire.write(*command)
            await wire.read(CONNECT_TIMEOUT)
        channels.attach(wire)
        while True:
            match await wire.read_or_ping():
                case [b"subscribe" | b"psubscribe", channel, _]:
                    yield Joined(channel.decode())
                case [b"message", channel, payload] | [b"pmessage", _, channel, payload]:
                    yield Message(channel.decode(), payload)
    finally:
        channels.attach(None)
        wire.close()
