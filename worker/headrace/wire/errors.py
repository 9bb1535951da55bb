"""Redis's error replies and the system's refusals, as errors of ours."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Callable
from typing import Final

from headrace.errors import HeadraceError, ProtocolError, QueueFullError, QueueUnavailableError
from headrace.wire.target import Address, Target


class ServerError(HeadraceError):
    """Redis answered a command with an error of its own; the text begins with Redis's error code."""


class NoScriptError(ServerError):
    """The server does not know this script (yet, or since a failover)."""


class DemotedError(QueueUnavailableError):
    """The server takes no writes (any more): the primary must be looked for anew."""


class MovedError(QueueUnavailableError):
    """Another node of the Cluster serves this slot."""

    def __init__(self, slot: int, address: Address) -> None:
        super().__init__(f"Redis can't serve now: slot {slot} of the Cluster is at {address[0]}:{address[1]}")
        self.slot = slot
        self.address = address


def _moved(text: str) -> MovedError:
    """`MOVED slot host:port`; a host that is left out is that of the node that says so."""
    _, slot, address = text.split()
    host, _, port = address.rpartition(":")
    return MovedError(int(slot), (host, int(port)))


def _full(text: str) -> QueueFullError:
    if text.startswith("OOM"):
        return QueueFullError("Redis has reached maxmemory; the enqueue was refused, nothing was lost")
    _, limit, room = text.split()
    return QueueFullError("the queue has reached its length limit", limit=int(limit), room=int(room))


_IN_SCRIPT = re.compile(r"ERR Error running script .*?: -(?=[A-Z]+ )", re.DOTALL)
"""What Redis before 7.0 puts before the error of a command in a script."""
_MEANINGS: Final[dict[str, Callable[[str], HeadraceError]]] = {
    "NOSCRIPT": NoScriptError,
    "OOM": _full,
    "QUEUEFULL": _full,
    "WRONGPASS": lambda _: QueueUnavailableError("Redis refused the login: wrong or missing password"),
    "NOAUTH": lambda _: QueueUnavailableError("Redis refused the login: wrong or missing password"),
    "UPGRADE": ProtocolError,
    "MOVED": _moved,
    # Some of the queue's keys are here and some there: only a node that has them all can run its scripts.
    "ASK": lambda _: QueueUnavailableError("Redis can't serve now: the queue is on its way to another Cluster node"),
    **dict.fromkeys(
        ("READONLY", "MASTERDOWN", "UNBLOCKED", "NOREPLICAS"),
        lambda text: DemotedError(f"Redis can't serve now: {text}"),
    ),
    **dict.fromkeys(
        ("LOADING", "CLUSTERDOWN", "TRYAGAIN", "BUSY"),
        lambda text: QueueUnavailableError(f"Redis can't serve now: {text}"),
    ),
}
"""Redis's error codes, and what they are here."""


def map_error(error: Exception) -> HeadraceError:
    """The one place where Redis's error replies become ours."""
    if isinstance(error, HeadraceError):
        return error
    text = _IN_SCRIPT.sub("", str(error), count=1)
    meaning = _MEANINGS.get(text.partition(" ")[0], ServerError)
    return meaning(text)


def plain_reason(error: OSError) -> str:
    """The system's own words; asyncio's ("Connect call failed") don't say why."""
    if isinstance(error, ConnectionError) and error.errno:
        return os.strerror(error.errno)
    return error.strerror or str(error)


def unreachable(target: Target, error: OSError) -> QueueUnavailableError:
    """For a server that takes no connection."""
    return QueueUnavailableError(f"can't connect to {target.redacted}: {plain_reason(error)}")


def closed_meanwhile() -> QueueUnavailableError:
    """For a call that was on its way to a connection when that was closed."""
    return QueueUnavailableError("the connection to Redis was closed")


def no_name() -> socket.gaierror:
    """What is said of a host that can't be one."""
    return socket.gaierror(socket.EAI_NONAME, "that is no host name")


def silent_names(timeout: float) -> socket.gaierror:
    """What a name service's silence is, as the system would put it."""
    return socket.gaierror(socket.EAI_AGAIN, f"the name service gave no answer within {timeout:g} s")


def unresolved(target: Target, error: socket.gaierror) -> QueueUnavailableError:
    """For a name without an address."""
    return QueueUnavailableError(f"can't connect to {target.redacted}: {error.strerror}")
