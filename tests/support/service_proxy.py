"""A stable address in front of servers that come and go, as a Kubernetes Service is: plain TCP, no look inside.

The wire_proxy fails at the boundaries of requests; this one only says who is behind the address, and cuts.
"""

from __future__ import annotations

import asyncio
from types import TracebackType

PIECE = 65_536


class ServiceProxy:
    """`async with ServiceProxy() as service:` listens on `service.port`; connections go to `service.upstream`."""

    def __init__(self) -> None:
        self.upstream: int | None = None
        """Port on loopback that new connections go to; None refuses them."""
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self._server is not None, "the service is not started"
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def __aenter__(self) -> ServiceProxy:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=5)

    def cut(self) -> None:
        """Break every connection off."""
        for writer in list(self._open):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._open.add(writer)
        try:
            await self._join(reader, writer)
        except* OSError:
            pass
        finally:
            writer.transport.abort()
            self._open.discard(writer)
            self._tasks.discard(task)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.upstream is None:
            return
        back, forth = await asyncio.open_connection("127.0.0.1", self.upstream)
        self._open.add(forth)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(_pump(reader, forth))
                both.create_task(_pump(back, writer))
        finally:
            forth.transport.abort()
            self._open.discard(forth)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(PIECE):
        writer.write(data)
        await writer.drain()
    raise ConnectionResetError("one side is gone")
