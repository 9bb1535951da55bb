"""Listens to channels that come and go, on one connection that comes back after each failure.

Knows nothing of queues. What was said while it was away is lost: each channel tells when it is listened to (again).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol

from headrace.wire.subscription import Lost, Message, PushWire, listening
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
    async with aclosing(listening(target, name, lambda wire: _hear(wire, channels))) as heard:
        async for event in heard:
            yield event


async def _hear(wire: PushWire, channels: Channels) -> AsyncGenerator[Joined | Message, None]:
    channels.attach(wire)
    try:
        while True:
            match await wire.read_or_ping():
                case [b"subscribe" | b"psubscribe", channel, _]:
                    yield Joined(channel.decode())
                case [b"message", channel, payload] | [b"pmessage", _, channel, payload]:
                    yield Message(channel.decode(), payload)
    finally:
        channels.attach(None)
