"""A blocking connection to one server: for the renewal thread, which must work while the event loop does not, and for
command lines, which have a single question.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from threading import Thread

import hiredis

from headrace.errors import HeadraceError, QueueUnavailableError
from headrace.wire.commands import Argument, Reply, login_commands, pack
from headrace.wire.errors import ServerError, map_error, plain_reason, silent_names, unresolved
from headrace.wire.target import Address, Target


class BlockingConnection:
    """One socket; each step ends within `timeout` seconds: to find the server, to connect, to be answered. Not for
    sharing between threads.
    """

    def __init__(self, target: Target, timeout: float, name: str) -> None:
        """Connects and logs in. Raises QueueUnavailableError."""
        self._reader = hiredis.Reader()
        try:
            self._socket = _open(target, timeout)
        except TimeoutError:
            raise QueueUnavailableError(f"no connection to {target.redacted} within {timeout:g} s") from None
        except socket.gaierror as error:
            raise unresolved(target, error) from error
        except OSError as error:
            raise QueueUnavailableError(f"can't connect to {target.redacted}: {plain_reason(error)}") from error
        try:
            self.pipeline(login_commands(target, name))
        except HeadraceError as error:
            self.close()
            if isinstance(error, ServerError):
                raise QueueUnavailableError(f"{target.redacted} refused the login: {error}") from error
            raise

    def pipeline(self, commands: Sequence[Sequence[Argument]]) -> list[Reply]:
        """Send commands in one write; error replies are raised once all have answered."""
        replies = self.pipeline_replies(commands)
        for reply in replies:
            if isinstance(reply, Exception):
                raise map_error(reply)
        return replies

    def pipeline_replies(self, commands: Sequence[Sequence[Argument]]) -> list[Reply]:
        """The same; error replies come back as values. Raises QueueUnavailableError."""
        return self.exchange(b"".join(pack(*command) for command in commands), len(commands))

    def exchange(self, packed: bytes, count: int, timeout: float | None = None) -> list[Reply]:
        """Send so many encoded commands; the same. `timeout`: seconds, from now on."""
        if timeout is not None:
            self._socket.settimeout(timeout)
        try:
            self._socket.sendall(packed)
            return [self._next_reply() for _ in range(count)]
        except TimeoutError:
            self.close()
            raise QueueUnavailableError(f"Redis gave no answer within {self._socket.gettimeout():g} s") from None
        except OSError as error:
            self.close()
            raise QueueUnavailableError(f"the connection to Redis was lost: {plain_reason(error)}") from error
        except hiredis.ProtocolError as error:
            self.close()
            raise QueueUnavailableError(f"Redis sent something that is not a reply: {error}") from error

    def _next_reply(self) -> Reply:
        while (reply := self._reader.gets()) is False:
            data = self._socket.recv(65536)
            if not data:
                raise OSError("the server closed it")
            self._reader.feed(data)
        return reply

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


def _open(target: Target, timeout: float) -> socket.socket:
    if target.unix_path:
        return _connected(socket.AF_UNIX, target.unix_path, timeout)
    plain = _first(_resolve(target, timeout), timeout)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    context = target.tls_context()
    if context is None:
        return plain
    try:
        return context.wrap_socket(plain, server_hostname=target.host)
    except BaseException:
        plain.close()
        raise


def _first(addresses: Sequence[tuple[int, Address]], timeout: float) -> socket.socket:
    """Connected to the first address that takes it. Raises what the last one failed with."""
    failure: OSError | None = None
    for family, address in addresses:
        try:
            return _connected(family, address, timeout)
        except OSError as error:
            failure = error
    raise failure or OSError("the name has no address")


def _connected(family: int, address: Address | str, timeout: float) -> socket.socket:
    plain = socket.socket(family)
    try:
        plain.settimeout(timeout)
        plain.connect(address)
    except BaseException:
        plain.close()
        raise
    return plain


def _resolve(target: Target, timeout: float) -> list[tuple[int, Address]]:
    """As `resolve.resolve`: the system's own call keeps no deadline, so it is left behind in a thread."""
    found: list[tuple[int, Address]] = []
    failed: list[socket.gaierror] = []

    # The system's codec for other hosts takes its time, and raises errors of its own.
    host = target.host.encode() if target.host.isascii() else target.host

    def ask() -> None:
        try:
            asked = socket.getaddrinfo(host, target.port, type=socket.SOCK_STREAM)
        except socket.gaierror as error:
            failed.append(error)
        else:
            found.extend((family, (str(address[0]), target.port)) for family, *_, address in asked)

    asking = Thread(target=ask, name="headrace-asks-names", daemon=True)
    asking.start()
    asking.join(timeout)
    if failed:
        raise failed[0]
    if asking.is_alive():
        raise silent_names(timeout)
    return found
