"""Asks Sentinels where the primary is, one after the other, until one knows."""

from __future__ import annotations

import asyncio
from typing import Any

from headrace.errors import HeadraceError, QueueUnavailableError
from headrace.wire.connection import Argument, DemotedError, connect
from headrace.wire.target import Sentinels, Target, sentinel_targets

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
    loop = asyncio.get_running_loop()
    give_up = loop.time() + timeout
    last: HeadraceError | None = None
    for one in sentinel_targets(target, sentinels):
        patience = (give_up - loop.time()) * SHARE
        try:
            connection = await connect(one, name="headrace-asks", timeout=patience)
            try:
                return answered(target, await connection.request(*question(sentinels), timeout=patience))
            finally:
                connection.close()
        except HeadraceError as error:
            last = error
    raise nobody(target, last)
