"""Asks Sentinels where the primary is, one after the other, until one knows."""

from __future__ import annotations

import asyncio
from typing import Any

from headrace.errors import HeadraceError, QueueUnavailableError
from headrace.wire.commands import Argument
from headrace.wire.connection import Connection, connect
from headrace.wire.errors import DemotedError
from headrace.wire.target import Address, Sentinels, Target, sentinel_targets

LOOK_EVERY = 1.0
"""Seconds between two questions whether the primary is still the same."""
SHARE = 0.5
"""Of the time that is left, for one Sentinel: those that are gone leave some for the others."""


def question(sentinels: Sentinels) -> tuple[Argument, ...]:
    """What to ask."""
    return ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", sentinels.master)


def answered(target: Target, reply: Any) -> Target:
    """The primary. Raises QueueUnavailableError if this Sentinel knows none of that name."""
    if not reply:
        raise QueueUnavailableError(f"no Sentinel of {target.redacted} knows a master of that name")
    host, port = reply
    return target.at((host.decode(), int(port)))


def nobody(target: Target, last: HeadraceError | None) -> QueueUnavailableError:
    """When all have failed, the last so."""
    error = QueueUnavailableError(f"no Sentinel of {target.redacted} says where the master is: {last}")
    error.__cause__ = last.__cause__ if last else None
    return error


def check_role(target: Target, reply: Any) -> None:
    """ROLE, as the server has answered that a Sentinel has named. Raises DemotedError unless it is the primary.

    A user without the right to ask for the role is served all the same.
    """
    if not isinstance(reply, Exception) and reply[0] != b"master":
        raise DemotedError(f"Redis can't serve now: {target.host}:{target.port} is no master (any more)")


async def find_master(target: Target, sentinels: Sentinels, timeout: float) -> Target:
    """The primary by the first Sentinel that answers. Raises QueueUnavailableError within `timeout` seconds."""
    connection, master = await _ask(target, sentinels, timeout)
    connection.close()
    return master


async def _ask(target: Target, sentinels: Sentinels, timeout: float) -> tuple[Connection, Target]:
    """The same, and the connection to that Sentinel."""
    loop = asyncio.get_running_loop()
    give_up = loop.time() + timeout
    last: HeadraceError | None = None
    for one in sentinel_targets(target, sentinels):
        patience = (give_up - loop.time()) * SHARE
        try:
            connection = await connect(one, name="headrace-asks", timeout=patience)
            try:
                return connection, answered(target, await connection.request(*question(sentinels), timeout=patience))
            except BaseException:
                connection.close()
                raise
        except HeadraceError as error:
            last = error
    raise nobody(target, last)


class MasterWatch:
    """Leaves a primary as soon as a Sentinel names another one.

    A planned failover lets the old primary take writes for ten more seconds, and then it forgets them; it is not the
    first to hear of it. Asks beside the calls, while there are any, and delays none.
    """

    def __init__(self, target: Target, sentinels: Sentinels, timeout: float) -> None:
        self._target = target
        self._sentinels = sentinels
        self._timeout = timeout
        self._asking: Connection | None = None
        self._look: asyncio.Task[None] | None = None
        self._next_look = 0.0

    def look(self, master: Address, connection: Connection) -> None:
        """Called with every call; closes `connection` some time later if `master` is it no more."""
        loop = asyncio.get_running_loop()
        if loop.time() >= self._next_look and (self._look is None or self._look.done()):
            self._next_look = loop.time() + LOOK_EVERY
            self._look = loop.create_task(self._compare(master, connection), name="headrace-master-watch")

    async def _compare(self, master: Address, connection: Connection) -> None:
        try:
            if self._asking is None or self._asking.closed.is_set():
                self._asking, found = await _ask(self._target, self._sentinels, self._timeout)
            else:
                reply = await self._asking.request(*question(self._sentinels), timeout=self._timeout)
                found = answered(self._target, reply)
        except HeadraceError:
            self._forget()  # nobody says otherwise; the next look asks another
            return
        if (found.host, found.port) != master:
            connection.close()

    def _forget(self) -> None:
        if self._asking is not None:
            self._asking.close()
            self._asking = None

    async def close(self) -> None:
        """End the look that is under way and close the connection to the Sentinel; a later look opens another."""
        if self._look is not None and not self._look.done():
            self._look.cancel()
            await asyncio.wait({self._look})
        self._forget()
