"""What the renewal thread speaks through: link.py without an event loop, for one script at a time.

Finds the primary by the Sentinels, or each queue's node of a Cluster, whenever a connection has failed.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from headrace.contract.scripts import Script, script
from headrace.errors import HeadraceError, QueueUnavailableError
from headrace.wire.blocking import BlockingConnection
from headrace.wire.cluster import SHARE, candidates, checked, unknown
from headrace.wire.commands import Argument, Reply
from headrace.wire.errors import MovedError, NoScriptError, map_error
from headrace.wire.routing import SlotMap, slot_map, slot_of
from headrace.wire.sentinel import answered, check_role, nobody, question
from headrace.wire.target import Address, Seeds, Sentinels, Target, sentinel_targets

Call = Sequence[Argument]
"""A queue's key prefix, then the script's arguments."""


class BlockingLink:
    """Not for sharing between threads."""

    def __init__(self, target: Target, timeout: float, name: str) -> None:
        """`timeout`: seconds for each step, to find a server, to connect and to be answered."""
        self._target = target
        self._timeout = timeout
        self._name = name
        self._connections: dict[Address | None, BlockingConnection] = {}
        self._map: SlotMap | None = None
        self._known: tuple[Address, ...] = ()
        self._master: Address = (target.host, target.port)

    def run_each(self, name: str, calls: Sequence[Call]) -> list[Reply | HeadraceError]:
        """Run a script on many queues, one write per server. What failed is its error, and is not tried again here."""
        chosen = script(name)
        replies: list[Reply | HeadraceError] = [None] * len(calls)
        # Whoever answered last time goes first: a server that is away can't make the others wait for their turn.
        groups = sorted(self._by_server(calls).items(), key=lambda group: group[0] not in self._connections)
        for server, part in groups:
            for at, reply in zip(part, self._ask(server, chosen, [calls[at] for at in part]), strict=True):
                replies[at] = reply
        return replies

    def close(self) -> None:
        """Close all connections."""
        for connection in self._connections.values():
            connection.close()
        self._connections.clear()

    def _by_server(self, calls: Sequence[Call]) -> dict[Address | None, list[int]]:
        """Calls by their place in `calls`. None: the one server, or nobody knows which node."""
        seeds = self._target.found_by
        if not isinstance(seeds, Seeds):
            return {None: list(range(len(calls)))}
        if self._map is None:
            try:
                self._map = _learn(self._target, seeds, self._known, self._timeout)
            except HeadraceError:
                return {None: list(range(len(calls)))}
            self._known = self._map.primaries
        groups: dict[Address | None, list[int]] = {}
        for at, call in enumerate(calls):
            groups.setdefault(self._map.owner(slot_of(str(call[0]))), []).append(at)
        return groups

    def _ask(self, server: Address | None, chosen: Script, calls: Sequence[Call]) -> list[Reply | HeadraceError]:
        try:
            connection = self._connection(server)
            commands = [("EVALSHA", chosen.sha, 1, *call) for call in calls]
            replies = [_ours(reply) for reply in connection.pipeline_replies(commands)]
            if any(isinstance(reply, NoScriptError) for reply in replies):
                connection.pipeline([("SCRIPT", "LOAD", chosen.source)])
                replies = [_ours(reply) for reply in connection.pipeline_replies(commands)]
        except HeadraceError as error:
            replies = [error] * len(calls)
        if any(isinstance(reply, QueueUnavailableError) for reply in replies):
            self._forget(server, hard=not any(isinstance(reply, MovedError) for reply in replies))
        return replies

    def _forget(self, server: Address | None, *, hard: bool) -> None:
        """Learn anew next time; `hard`: connect anew too."""
        self._map = None
        if hard and server in self._connections:
            self._connections.pop(server).close()

    def _connection(self, server: Address | None) -> BlockingConnection:
        if server in self._connections and self._is_replaced():
            self._connections.pop(server).close()
        if server not in self._connections:
            self._connections[server] = self._open(server)
        return self._connections[server]

    def _open(self, server: Address | None) -> BlockingConnection:
        match self._target.found_by:
            case Sentinels() as sentinels:
                return self._open_master(sentinels)
            case Seeds():
                if server is None:
                    raise QueueUnavailableError("Redis can't serve now: nobody says which node of the Cluster does")
                return BlockingConnection(self._target.at(server), self._timeout, self._name)
            case None:
                return BlockingConnection(self._target, self._timeout, self._name)

    def _open_master(self, sentinels: Sentinels) -> BlockingConnection:
        master = _find_master(self._target, sentinels, self._timeout)
        connection = BlockingConnection(master, self._timeout, self._name)
        try:
            check_role(master, connection.pipeline_replies([("ROLE",)])[0])
        except HeadraceError:
            connection.close()
            raise
        self._master = (master.host, master.port)
        return connection

    def _is_replaced(self) -> bool:
        """Whether a Sentinel names another primary by now, see `sentinel.MasterWatch`. Renewals are rare enough to ask
        each time.
        """
        if not isinstance(self._target.found_by, Sentinels):
            return False
        try:
            found = _find_master(self._target, self._target.found_by, self._timeout * SHARE)
        except HeadraceError:
            return False
        return (found.host, found.port) != self._master


def _ours(reply: Reply) -> Reply | HeadraceError:
    return map_error(reply) if isinstance(reply, Exception) else reply


def _find_master(target: Target, sentinels: Sentinels, timeout: float) -> Target:
    """As `sentinel.find_master`."""
    give_up = time.monotonic() + timeout
    last: HeadraceError | None = None
    for one in sentinel_targets(target, sentinels):
        try:
            return answered(target, _ask_once(one, question(sentinels), (give_up - time.monotonic()) * SHARE))
        except HeadraceError as error:
            last = error
    raise nobody(target, last)


def _learn(target: Target, seeds: Seeds, known: Sequence[Address], timeout: float) -> SlotMap:
    """As `cluster.learn`."""
    give_up = time.monotonic() + timeout
    last: HeadraceError | None = None
    for address in candidates(seeds, known):
        try:
            patience = (give_up - time.monotonic()) * SHARE
            return checked(slot_map(_ask_once(target.at(address), ("CLUSTER", "SLOTS"), patience), address))
        except HeadraceError as error:
            last = error
    raise unknown(target, last)


def _ask_once(server: Target, words: Sequence[Argument], timeout: float) -> Reply:
    connection = BlockingConnection(server, max(timeout, 0.01), "headrace-asks")
    try:
        return connection.pipeline([words])[0]
    finally:
        connection.close()
