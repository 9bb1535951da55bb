"""Where calls go: to one server, to the primary that Sentinels know, or to the node of a Cluster that has the key.

Connections come back by themselves, scripts are loaded when missing. A call is sent once, or again when the node that
got it sends it on. Whether to send it again after a failure is the caller's decision: only it knows what is replayable.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from headrace.contract.scripts import script
from headrace.wire.commands import Argument, Reply, pack
from headrace.wire.errors import NoScriptError, map_error
from headrace.wire.routing import key_of
from headrace.wire.target import Seeds, Target

CALL_TIMEOUT = 5.0
"""Seconds to wait for an answer unless the caller says otherwise."""


class Server(Protocol):
    """One that holds queues."""

    async def pipeline_replies(self, commands: Sequence[Sequence[Argument]], timeout: float, /) -> list[Reply]:
        """Several commands in one write; error replies come back as values. Raises QueueUnavailableError."""
        ...


class Nodes(Server, Protocol):
    """One server or many, each opened on first use and again after a failure. All raise QueueUnavailableError."""

    async def send(self, key: str | None, packed: bytes, timeout: float, ahead: int = 0, /) -> Reply:
        """Send an encoded command to whoever has that key (None: to any), and `ahead` others packed before it."""
        ...

    async def pipeline_at(
        self, key: str | None, commands: Sequence[Sequence[Argument]], timeout: float, /
    ) -> list[Reply]:
        """Commands in one write to whoever has that key."""
        ...

    async def each_primary(self) -> Sequence[Server]:
        """Every server that holds queues."""
        ...

    async def close(self) -> None:
        """Close the connections; a later call opens new ones."""
        ...


class Link:
    """One lazily opened connection to `target`, on a Cluster one per node that is called. Safe to share between tasks;
    use one per lane where speed matters.
    """

    def __init__(
        self,
        target: Target,
        *,
        name: str = "headrace",
        timeout: float = CALL_TIMEOUT,
        nodes: Nodes | None = None,
    ) -> None:
        """`nodes`: who answers, if not those that `target` says, over asyncio."""
        self.target = target
        self.timeout = timeout
        self._nodes = nodes or _nodes(target, name, timeout)

    async def run(self, name: str, prefix: str, *args: Argument, timeout: float | None = None) -> Reply:
        """Run a script on the queue with that key prefix. Raises what `Connection.request` raises."""
        reply = await self._send(prefix, pack("EVALSHA", script(name).sha, 1, prefix, *args), timeout)
        return await self._load(name, prefix, args, reply, timeout) if isinstance(reply, Exception) else reply

    async def run_after(
        self, first: Sequence[Argument], name: str, prefix: str, args: Sequence[Argument], timeout: float
    ) -> Reply:
        """The same in one write with a command before it, whose reply nobody wants: the server runs the script as soon
        as it is through with that, however long it blocks.
        """
        packed = pack(*first) + pack("EVALSHA", script(name).sha, 1, prefix, *args)
        reply = await self._send(prefix, packed, timeout, ahead=1)
        return await self._load(name, prefix, args, reply, timeout) if isinstance(reply, Exception) else reply

    async def _load(
        self, name: str, prefix: str, args: Sequence[Argument], error: Exception, timeout: float | None
    ) -> Reply:
        """Run a script that the server does not know; whatever else is wrong is raised."""
        if not _is_no_script(error):
            raise map_error(error)
        return _good(await self._send(prefix, pack("EVAL", script(name).source, 1, prefix, *args), timeout))

    async def run_then(
        self, name: str, prefix: str, args: Sequence[Argument], then: Sequence[Sequence[Argument]], timeout: float
    ) -> list[Reply]:
        """Run a script, and `then` further commands over the same connection, in one write; the first error is raised
        once all have answered.
        """
        chosen = script(name)
        replies = await self._nodes.pipeline_at(prefix, [("EVALSHA", chosen.sha, 1, prefix, *args), *then], timeout)
        if _is_no_script(replies[0]):
            replies = await self._nodes.pipeline_at(prefix, [("EVAL", chosen.source, 1, prefix, *args), *then], timeout)
        return [_good(reply) for reply in replies]

    async def run_each(
        self, name: str, prefixes: Sequence[str], *, ahead: Sequence[Sequence[Argument]] = ()
    ) -> list[Reply]:
        """Run a script without arguments on many queues in one round trip, with commands `ahead` of it, whose replies
        come first. Error replies come back as values.
        """
        chosen = script(name)
        commands: list[Sequence[Argument]] = [("EVALSHA", chosen.sha, 1, prefix) for prefix in prefixes]
        replies = await self.pipeline_replies([*ahead, *commands])
        missing = [at for at, reply in enumerate(replies) if _is_no_script(reply)]
        if missing:
            again = [("EVAL", chosen.source, 1, prefixes[at - len(ahead)]) for at in missing]
            for at, reply in zip(missing, await self.pipeline_replies(again), strict=True):
                replies[at] = reply
        return replies

    async def request(self, *args: Argument, timeout: float | None = None, at: str | None = None) -> Reply:
        """One command, on a Cluster to the node that has its key, or the key `at` if it names none itself.

        Raises what `Connection.request` raises.
        """
        return _good(await self._send(at or key_of(args), pack(*args), timeout))

    async def pipeline(self, commands: Sequence[Sequence[Argument]], timeout: float | None = None) -> list[Reply]:
        """Several commands in one round trip; raises for the first that failed, once all have answered."""
        return [_good(reply) for reply in await self.pipeline_replies(commands, timeout)]

    async def pipeline_replies(
        self, commands: Sequence[Sequence[Argument]], timeout: float | None = None
    ) -> list[Reply]:
        """The same; error replies come back as values (`map_error` makes them ours), on a Cluster those of nodes that
        are away too.
        """
        return await self._nodes.pipeline_replies(commands, self.timeout if timeout is None else timeout)

    async def servers(self) -> Sequence[Server]:
        """Every server that holds queues: one, or the primaries of the Cluster. Raises QueueUnavailableError."""
        return await self._nodes.each_primary()

    async def close(self) -> None:
        """Close the connections; a later call opens new ones."""
        await self._nodes.close()

    async def _send(self, key: str | None, packed: bytes, timeout: float | None, ahead: int = 0) -> Reply:
        return await self._nodes.send(key, packed, self.timeout if timeout is None else timeout, ahead)


def _nodes(target: Target, name: str, timeout: float) -> Nodes:
    # Asyncio is half of a short command line's start: only who needs it imports it.
    if isinstance(target.found_by, Seeds):
        from headrace.wire.cluster import Cluster

        return Cluster(target, target.found_by, name, timeout)
    from headrace.wire.node import Node

    return Node(target, name, timeout)


def _is_no_script(reply: Reply) -> bool:
    return isinstance(reply, Exception) and isinstance(map_error(reply), NoScriptError)


def _good(reply: Reply) -> Reply:
    """Raises an error reply as one of ours."""
    if isinstance(reply, Exception):
        raise map_error(reply)
    return reply
