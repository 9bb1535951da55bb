"""A TCP proxy on loopback between a client and Redis that fails on purpose, at the boundaries of requests and replies.

It loses replies (executed, unanswered), requests (not executed) or both (a black hole), delays, and cuts. It knows
RESP only so far as to tell where a request or a reply ends; it never changes a byte.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from types import TracebackType

import hiredis

QUIET = ("CLIENT", "AUTH", "SELECT", "HELLO")
"""Requests of the login: never counted, so that a client always gets in and each k-th loss hits real work."""


@dataclass(frozen=True)
class Faults:
    """What goes wrong from now on. Counts run over all connections together."""

    drop_reply_every: int = 0
    """Swallow each k-th reply and cut that connection: the request was executed, nobody hears of it."""
    cut_request_every: int = 0
    """Cut the connection on each k-th request, before any of it is delivered."""
    blackhole: bool = False
    """Accept bytes and connections; deliver and answer nothing."""
    delay: float = 0.0
    """Seconds each reply is held back."""
    request_bytes: int | None = None
    """Deliver only so many bytes of each request, then cut: it was not executed."""
    reply_bytes: int | None = None
    """Deliver only so many bytes of each reply, and never the last, then cut: it was executed."""


class WireProxy:
    """`async with WireProxy(port) as proxy:` listens on `proxy.port`. `faults` may be set at any time."""

    def __init__(self, upstream_port: int) -> None:
        self.faults = Faults()
        self.requests = 0
        """Requests seen, the login's apart."""
        self.replies_lost = 0
        self.requests_lost = 0
        self._upstream_port = upstream_port
        self._server: asyncio.Server | None = None
        self._links: set[_Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        assert self._server is not None, "the proxy is not started"
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    async def __aenter__(self) -> WireProxy:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        self.cut_all()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=5)

    @property
    def connections(self) -> int:
        """How many are open now."""
        return len(self._links)

    def cut_all(self) -> int:
        """Cut every connection now; how many there were."""
        links = list(self._links)
        for link in links:
            link.cut()
        return len(links)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        link = _Link(self, reader, writer)
        self._links.add(link)
        try:
            await link.run(self._upstream_port)
        finally:
            self._links.discard(link)
            self._tasks.discard(task)

    def loses_request(self) -> bool:
        """Counts one request; True when it is the one to cut."""
        self.requests += 1
        lost = bool(self.faults.cut_request_every) and self.requests % self.faults.cut_request_every == 0
        self.requests_lost += lost
        return lost

    def loses_reply(self, number: int) -> bool:
        """True when the reply to the request of that number is the one to swallow."""
        lost = bool(self.faults.drop_reply_every) and number % self.faults.drop_reply_every == 0
        self.replies_lost += lost
        return lost


class _Link:
    """One client connection and its twin to Redis."""

    def __init__(self, proxy: WireProxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._proxy = proxy
        self._reader = reader
        self._writer = writer
        self._upstream: asyncio.StreamWriter | None = None
        self._numbers: asyncio.Queue[int] = asyncio.Queue()
        self._silent = False
        """A black hole took something of it: a stream can't lose its middle, so nothing comes through any more."""

    def cut(self) -> None:
        for writer in (self._writer, self._upstream):
            if writer is not None and not writer.transport.is_closing():
                writer.transport.abort()

    async def run(self, port: int) -> None:
        """Until either side closes, or a fault cuts."""
        try:
            upstream, self._upstream = await asyncio.open_connection("127.0.0.1", port)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._requests())
                tasks.create_task(self._replies(upstream))
        except* OSError:
            pass
        finally:
            self.cut()

    async def _requests(self) -> None:
        assert self._upstream is not None
        framer = Framer()
        while data := await self._reader.read(65536):
            for packet, request in framer.feed(data):
                self._silent = self._silent or self._proxy.faults.blackhole
                if self._silent:
                    continue
                if _is_login(request):
                    self._numbers.put_nowait(0)
                elif self._proxy.loses_request():
                    raise ConnectionAbortedError("a request to lose")
                else:
                    self._numbers.put_nowait(self._proxy.requests)
                if self._proxy.faults.request_bytes is not None and not _is_login(request):
                    await self._cut_within(self._upstream, packet, self._proxy.faults.request_bytes)
                self._upstream.write(packet)
            await self._upstream.drain()
        raise ConnectionResetError("the client is gone")

    async def _replies(self, upstream: asyncio.StreamReader) -> None:
        framer = Framer()
        while data := await upstream.read(65536):
            for packet, _ in framer.feed(data):
                number = await self._numbers.get()
                if number and self._proxy.loses_reply(number):
                    raise ConnectionAbortedError("a reply to lose")
                if self._proxy.faults.delay:
                    await asyncio.sleep(self._proxy.faults.delay)
                if number and self._proxy.faults.reply_bytes is not None:
                    await self._cut_within(self._writer, packet, self._proxy.faults.reply_bytes)
                self._silent = self._silent or self._proxy.faults.blackhole
                if not self._silent:
                    self._writer.write(packet)
            await self._writer.drain()
        raise ConnectionResetError("Redis is gone")

    async def _cut_within(self, writer: asyncio.StreamWriter, packet: bytes, count: int) -> None:
        writer.write(packet[: min(count, len(packet) - 1)])
        await writer.drain()
        raise ConnectionAbortedError("a message to cut")


class Framer:
    """Cuts a RESP byte stream into whole messages: `message_end` says where they end, hiredis what they say."""

    def __init__(self) -> None:
        self._pending = bytearray()

    def feed(self, data: bytes) -> list[tuple[bytes, object]]:
        """The messages that are whole now, each with its bytes and its value."""
        self._pending += data
        found = []
        while (end := message_end(self._pending, 0)) is not None:
            packet = bytes(self._pending[:end])
            del self._pending[:end]
            reader = hiredis.Reader()
            reader.feed(packet)
            found.append((packet, reader.gets()))
        return found


def message_end(data: bytes | bytearray, start: int) -> int | None:
    """Where the RESP2 message that begins at `start` ends; None while it is not whole."""
    line = data.find(b"\r\n", start)
    if line < 0:
        return None
    kind, end = data[start : start + 1], line + 2
    if kind == b"$":
        length = int(data[start + 1 : line])
        end += length + 2 if length >= 0 else 0
        return end if end <= len(data) else None
    if kind == b"*":
        for _ in range(max(0, int(data[start + 1 : line]))):
            nested = message_end(data, end)
            if nested is None:
                return None
            end = nested
    return end


def _is_login(request: object) -> bool:
    return isinstance(request, list) and request[0].decode().upper() in QUIET
