"""The nodes of a Cluster: learns who serves which slots, follows MOVED, keeps one connection per node.

A queue's keys share one slot, so one node serves it. While that slot is on its way to another node (ASK) the queue
stands still: see docs/decisions/0017-cluster-by-slot.md.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

from headrace.errors import HeadraceError, QueueUnavailableError
from headrace.wire.commands import Argument, Reply, pack
from headrace.wire.connection import connect
from headrace.wire.errors import DemotedError, MovedError, ServerError, closed_meanwhile, map_error
from headrace.wire.node import Node
from headrace.wire.routing import SlotMap, key_of, slot_map, slot_of
from headrace.wire.target import Address, Seeds, Target

TRIES = 3
"""How often one call is sent before the caller hears that it was sent on."""
SHARE = 0.5
"""Of the time that is left, for one node that is asked for the map: those that are gone leave some for the others."""


class Cluster:
    """Safe to share between tasks. A node that is away delays only what it serves."""

    def __init__(self, target: Target, seeds: Seeds, name: str, timeout: float) -> None:
        self._target = target
        self._seeds = seeds
        self._name = name
        self._timeout = timeout
        self._map: SlotMap | None = None
        self._known: tuple[Address, ...] = ()
        """Primaries of the last map."""
        self._moved: dict[int, Address] = {}
        """Slots that have been sent on since."""
        self._nodes: dict[Address, Node] = {}
        self._learning = asyncio.Lock()
        self._closed = 0
        """How often: see Node."""

    async def send(self, key: str | None, packed: bytes, timeout: float, ahead: int = 0) -> Reply:
        """Send an encoded command to the key's node (None: to any), see Connection.send."""
        reply: Reply = None
        for _ in range(TRIES):
            node = await self._node(key)
            try:
                reply = await node.send(key, packed, timeout, ahead)
            except QueueUnavailableError:
                self._forget()
                raise
            if not self._sent_on(reply, node):
                break
        return reply

    async def pipeline_at(self, key: str | None, commands: Sequence[Sequence[Argument]], timeout: float) -> list[Reply]:
        """Commands in one write to the key's node, whatever they are about; sent on together."""
        replies: list[Reply] = []
        for _ in range(TRIES):
            node = await self._node(key)
            try:
                replies = await node.pipeline_replies(commands, timeout)
            except QueueUnavailableError:
                self._forget()
                raise
            if not any(self._sent_on(reply, node) for reply in replies):
                break
        return replies

    async def pipeline_replies(self, commands: Sequence[Sequence[Argument]], timeout: float) -> list[Reply]:
        """One write per node. What a node that is away would have answered is its error; raises if all are away."""
        groups: dict[Node, list[int]] = {}
        for at, command in enumerate(commands):
            groups.setdefault(await self._node(key_of(command)), []).append(at)
        answers = await asyncio.gather(
            *(self._part(node, [commands[at] for at in part], timeout) for node, part in groups.items())
        )
        replies: list[Reply] = [None] * len(commands)
        for part, answer in zip(groups.values(), answers, strict=True):
            for at, reply in zip(part, answer, strict=True):
                replies[at] = reply
        if replies and all(isinstance(reply, QueueUnavailableError) for reply in replies):
            raise replies[0]
        return replies

    async def _part(self, node: Node, commands: Sequence[Sequence[Argument]], timeout: float) -> list[Reply]:
        try:
            replies = await node.pipeline_replies(commands, timeout)
        except QueueUnavailableError as error:
            self._forget()
            return [error] * len(commands)
        for at, reply in enumerate(replies):
            if self._sent_on(reply, node):
                replies[at] = await self._again(commands[at], timeout)
        return replies

    async def _again(self, command: Sequence[Argument], timeout: float) -> Reply:
        try:
            return await self.send(key_of(command), pack(*command), timeout)
        except QueueUnavailableError as error:
            return error

    async def each_primary(self) -> list[Node]:
        """Every node that serves a slot. Raises QueueUnavailableError."""
        return [self._node_at(address) for address in (await self._learned()).primaries]

    async def close(self) -> None:
        """Close all connections; calls under way fail, a later one opens new ones."""
        self._closed += 1
        self._forget()
        nodes = list(self._nodes.values())
        self._nodes.clear()
        for node in nodes:
            await node.close()

    async def _node(self, key: str | None) -> Node:
        slots = await self._learned()
        if key is None:
            return self._node_at(slots.primaries[0])
        slot = slot_of(key)
        address = self._moved.get(slot) or slots.owner(slot)
        if address is None:
            self._forget()
            raise QueueUnavailableError(f"Redis can't serve now: no node of the Cluster serves slot {slot}")
        return self._node_at(address)

    def _node_at(self, address: Address) -> Node:
        if address not in self._nodes:
            self._nodes[address] = Node(self._target.at(address), self._name, self._timeout)
        return self._nodes[address]

    def _sent_on(self, reply: Reply, node: Node) -> bool:
        """Whether the same command should be sent again, to another node."""
        if not isinstance(reply, Exception):
            return False
        error = map_error(reply)
        if isinstance(error, DemotedError):
            self._forget()
        if not isinstance(error, MovedError):
            return False
        host, port = error.address
        self._moved[error.slot] = (host or node.target.host, port)
        return True

    def _forget(self) -> None:
        """The next call learns anew."""
        self._map = None
        self._moved.clear()

    async def _learned(self) -> SlotMap:
        if self._map is not None:
            return self._map
        closed = self._closed
        async with self._learning:
            if closed != self._closed:
                raise closed_meanwhile()
            if self._map is None:
                learned = await learn(self._target, self._seeds, self._known, self._timeout)
                if closed != self._closed:
                    raise closed_meanwhile()
                self._map, self._known = learned, learned.primaries
                self._moved.clear()
            return self._map


async def learn(target: Target, seeds: Seeds, known: Sequence[Address], timeout: float) -> SlotMap:
    """Ask one node after the other, in random order. Raises QueueUnavailableError within `timeout` seconds."""
    loop = asyncio.get_running_loop()
    give_up = loop.time() + timeout
    last: HeadraceError | None = None
    for address in candidates(seeds, known):
        patience = (give_up - loop.time()) * SHARE
        try:
            connection = await connect(target.at(address), name="headrace-asks", timeout=patience)
            try:
                return checked(slot_map(await connection.request("CLUSTER", "SLOTS", timeout=patience), address))
            finally:
                connection.close()
        except HeadraceError as error:
            last = error
    raise unknown(target, last)


def candidates(seeds: Seeds, known: Sequence[Address]) -> list[Address]:
    """Whom to ask, by chance: one that is gone, or knows no better, is not asked first each time."""
    everyone = list(dict.fromkeys((*seeds.addresses, *known)))
    return random.sample(everyone, len(everyone))


def checked(slots: SlotMap) -> SlotMap:
    """Raises ServerError for a map without a node: the node that gave it belongs to no Cluster yet."""
    if not slots.owners:
        raise ServerError("CLUSTERDOWN this node knows of no node that serves a slot")
    return slots


def unknown(target: Target, last: HeadraceError | None) -> QueueUnavailableError:
    """When all have failed, the last so."""
    error = QueueUnavailableError(f"no node of {target.redacted} says who serves which slots: {last}")
    error.__cause__ = last.__cause__ if last else None
    return error
