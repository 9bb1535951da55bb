"""A blocking connection to one server: for the renewal thread, which must work while the event loop does not, and for
command lines, which have a single question.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from threading import Thread
from time import monotonic
from typing import TYPE_CHECKING

import hiredis

from headrace.errors import HeadraceError, QueueUnavailableError
from headrace.wire.commands import Argument, Reply, login_commands, pack
from headrace.wire.errors import ServerError, map_error, no_name, plain_reason, silent_names, unreachable, unresolved
from headrace.wire.target import Address, Target

if TYPE_CHECKING:
    import ssl


class BlockingConnection:
    """One socket; each step ends within `timeout` seconds: to find the server and connect, to be answered. Not for
    sharing between threads.
    """

    def __init__(self, target: Target, timeout: float, name: str) -> None:
        """Connects and logs in. Raises QueueUnavailableError, ConfigError when the CA can't be read."""
        self._timeout = timeout
        self._reader = hiredis.Reader()
        context = target.tls_context()
        try:
            self._socket = _open(target, context, timeout)
        except TimeoutError:
            raise QueueUnavailableError(f"no connection to {target.redacted} within {timeout:g} s") from None
        except socket.gaierror as error:
            raise unresolved(target, error) from error
        except OSError as error:
            raise unreachable(target, error) from error
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
        """Send so many encoded commands; the same. `timeout`: seconds for all of it, if not the connection's."""
        wait = self._timeout if timeout is None else timeout
        give_up = monotonic() + wait
        try:
            self._socket.settimeout(wait)
            self._socket.sendall(packed)
            replies = [self._next_reply(give_up) for _ in range(count)]
            if self._reader.has_data():
                raise hiredis.ProtocolError("more than was asked for")
        except TimeoutError:
            self.close()
            raise QueueUnavailableError(f"Redis gave no answer within {wait:g} s") from None
        except EOFError:
            self.close()
            raise QueueUnavailableError("the connection to Redis was lost") from None
        except OSError as error:
            self.close()
            raise QueueUnavailableError(f"the connection to Redis was lost: {plain_reason(error)}") from error
        except hiredis.ProtocolError as error:
            self.close()
            raise QueueUnavailableError(f"Redis sent something that is not a reply: {error}") from error
        return replies

    def _next_reply(self, give_up: float) -> Reply:
        while (reply := self._reader.gets()) is False:
            self._socket.settimeout(_left(give_up))
            data = self._socket.recv(65536)
            if not data:
                raise EOFError
            self._reader.feed(data)
        return reply

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


def _left(give_up: float) -> float:
    """Seconds. Raises TimeoutError when there are none."""
    left = give_up - monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _open(target: Target, context: ssl.SSLContext | None, timeout: float) -> socket.socket:
    """Connected to the first address that takes it. Raises what the last one failed with."""
    give_up = monotonic() + timeout
    if target.unix_path:
        return _connected(socket.AF_UNIX, target.unix_path, give_up)
    failure: OSError | None = None
    for family, address in _resolve(target, timeout):
        try:
            plain = _connected(family, address, give_up)
            return plain if context is None else _secured(plain, context, target.host, give_up)
        except OSError as error:
            failure = error
    raise failure or OSError("the name has no address")


def _connected(family: int, address: Address | str, give_up: float) -> socket.socket:
    plain = socket.socket(family)
    try:
        plain.settimeout(_left(give_up))
        plain.connect(address)
        if family != socket.AF_UNIX:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        plain.close()
        raise
    return plain


def _secured(plain: socket.socket, context: ssl.SSLContext, host: str, give_up: float) -> socket.socket:
    try:
        plain.settimeout(_left(give_up))
        return context.wrap_socket(plain, server_hostname=host)
    except BaseException:
        plain.close()
        raise


def _resolve(target: Target, timeout: float) -> list[tuple[int, Address]]:
    """As `resolve.resolve`. The system's own call keeps no deadline, so a thread asks, which may be left behind; where
    there can't be one more, the call is waited for.
    """
    try:
        return _ask_names(target, socket.AI_NUMERICHOST)
    except socket.gaierror:
        pass
    answers: list[list[tuple[int, Address]] | socket.gaierror] = []

    def ask() -> None:
        try:
            answers.append(_ask_names(target))
        except socket.gaierror as error:
            answers.append(error)

    asking = Thread(target=ask, name="headrace-asks-names", daemon=True)
    try:
        asking.start()
    except RuntimeError:
        ask()
    else:
        asking.join(timeout)
    answer = answers[0] if answers else silent_names(timeout)
    if isinstance(answer, socket.gaierror):
        raise answer
    return answer


def _ask_names(target: Target, flags: int = 0) -> list[tuple[int, Address]]:
    try:
        asked = socket.getaddrinfo(target.host_to_resolve, target.port, type=socket.SOCK_STREAM, flags=flags)
    except ValueError:
        raise no_name() from None
    return list(dict.fromkeys((int(family), (str(address[0]), target.port)) for family, *_, address in asked))
