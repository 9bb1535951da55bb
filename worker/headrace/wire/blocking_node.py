"""One server without an event loop: for whoever has a question or two, and would wait longer for asyncio's import."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

from headrace.wire.blocking import BlockingConnection
from headrace.wire.commands import Argument, Reply, pack
from headrace.wire.target import Target

T = TypeVar("T")


class BlockingNode:
    """As `node.Node`, for a target that is the server itself. Its coroutines block; `finish` runs what awaits them."""

    def __init__(self, target: Target, name: str, timeout: float) -> None:
        """`timeout`: seconds to connect within."""
        assert target.found_by is None
        self.target = target
        self._name = name
        self._timeout = timeout
        self._connection: BlockingConnection | None = None

    async def send(self, _key: str | None, packed: bytes, timeout: float, ahead: int = 0) -> Reply:
        """Send an encoded command. Raises QueueUnavailableError."""
        return self._exchange(packed, ahead + 1, timeout)[-1]

    async def pipeline_replies(self, commands: Sequence[Sequence[Argument]], timeout: float) -> list[Reply]:
        """Several commands in one write; the same."""
        return self._exchange(b"".join(pack(*command) for command in commands), len(commands), timeout)

    async def pipeline_at(
        self, _key: str | None, commands: Sequence[Sequence[Argument]], timeout: float
    ) -> list[Reply]:
        """The same."""
        return await self.pipeline_replies(commands, timeout)

    async def each_primary(self) -> list[BlockingNode]:
        """Itself."""
        return [self]

    async def close(self) -> None:
        """Close the connection; a later call opens a new one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _exchange(self, packed: bytes, count: int, timeout: float) -> list[Reply]:
        if self._connection is None:
            self._connection = BlockingConnection(self.target, self._timeout, self._name)
        try:
            return self._connection.exchange(packed, count, timeout)
        except BaseException:  # what is still on its way must not be taken for the next answer
            self._connection.close()
            self._connection = None
            raise


def finish(work: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that waits for nothing but a BlockingNode."""
    try:
        work.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    work.close()
    raise RuntimeError("this needs an event loop")
