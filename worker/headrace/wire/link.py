"""Where calls go: to one server, to the primary that Sentinels know, or to the node of a Cluster that has the key.

Connections come back by themselves, scripts are loaded when missing. A call is sent once, or again when the node that
got it sends it on. Whether to send it again after a failure is the caller's decision: only it knows what is replayable.
"""

from __future__ import annotations

from collections.abc import Sequence

from headrace.contract.scripts import script
from headrace.wire.cluster import Cluster
from headrace.wire.connection import Argument, NoScriptError, Reply, map_error, pack
from headrace.wire.node import Node
from headrace.wire.routing import key_of
from headrace.wire.target import Seeds, Target

CALL_TIMEOUT = 5.0
"""Seconds to wait for an answer unless the caller says otherwise."""


class Link:
    """One lazily opened connection to `target`, on a Cluster one per node that is called. Safe to share between tasks;
    use one per lane where speed matters.
    """

    def __init__(self, target: Target, *, name: str = "headrace", timeout: float = CALL_TIMEOUT) -> None:
        self.target = target
        self.timeout = timeout
        self._nodes: Node | Cluster
        if isinstance(target.found_by, Seeds):
            self._nodes = Cluster(target, target.found_by, name, timeout)
        else:
            self._nodes = Node(target, name, timeout)

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
        replies = await self._pipeline_at(prefix, [("EVALSHA", chosen.sha, 1, prefix, *args), *then], timeout)
        if _is_no_script(replies[0]):
            replies = await self._pipeline_at(prefix, [("EVAL", chosen.source, 1, prefix, *args), *then], timeout)
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

    async def servers(self) -> list[Node]:
        """Every server that holds queues: one, or the primaries of the Cluster. Raises QueueUnavailableError."""
        nodes = self._nodes
        return await nodes.each_primary() if isinstance(nodes, Cluster) else [nodes]

    async def close(self) -> None:
        """Close the connections; a later call opens new ones."""
        await self._nodes.close()

    async def _send(self, key: str | None, packed: bytes, timeout: float | None, ahead: int = 0) -> Reply:
        wait = self.timeout if timeout is None else timeout
        nodes = self._nodes
        sent = nodes.send(packed, wait, ahead) if isinstance(nodes, Node) else nodes.send(key, packed, wait, ahead)
        return await sent

    async def _pipeline_at(self, key: str, commands: Sequence[Sequence[Argument]], timeout: float) -> list[Reply]:
        nodes = self._nodes
        if isinstance(nodes, Node):
            return await nodes.pipeline_replies(commands, timeout)
        return await nodes.pipeline_at(key, commands, timeout)


def _is_no_script(reply: Reply) -> bool:
    return isinstance(reply, Exception) and isinstance(map_error(reply), NoScriptError)


def _good(reply: Reply) -> Reply:
    """Raises an error reply as one of ours."""
    if isinstance(reply, Exception):
        raise map_error(reply)
    return reply
