"""Asks the name service for a server's addresses, as a step of its own: so its silence isn't taken for the server's."""

from __future__ import annotations

import asyncio
import socket

from headrace.wire.errors import no_name, silent_names, unresolved
from headrace.wire.target import Address, Target


async def resolve(target: Target, timeout: float) -> list[Address]:
    """Every address of `target`, a numeric host and its port, the system's favourite first.

    Empty for a unix socket, which has a path. Raises QueueUnavailableError within `timeout` seconds; its cause is a
    socket.gaierror.
    """
    if target.unix_path:
        return []
    try:
        async with asyncio.timeout(timeout):
            ask = asyncio.get_running_loop().getaddrinfo
            found = await ask(target.host_to_resolve, target.port, type=socket.SOCK_STREAM)
    except TimeoutError:
        silence = silent_names(timeout)
        raise unresolved(target, silence) from silence
    except socket.gaierror as error:
        raise unresolved(target, error) from error
    except ValueError:
        raise unresolved(target, no_name()) from None
    return list(dict.fromkeys((str(address[0]), target.port) for *_, address in found))
