"""A blocking connection to one server, for the renewal thread, which must work while the event loop does not."""

from __future__ import annotations

import socket
from collections.abc import Sequence

import hiredis

from headrace.errors import QueueUnavailableError
from headrace.wire.connection import Argument, Reply, ServerError, login_commands, map_error, pack
from headrace.wire.target import Target


class BlockingConnection:
    """One socket; every call ends within `timeout` seconds. Not for sharing between threads."""

    def __init__(self, target: Target, timeout: float, name: str) -> None:
        """Connects and logs in. Raises QueueUnavailableError."""
        self._reader = hiredis.Reader()
        try:
            self._socket = _open(target, timeout)
        except OSError as error:
            raise QueueUnavailableError(f"can't connect to {target.redacted}: {error}") from error
        try:
            self.pipeline(login_commands(target, name))
        except ServerError as error:
            self.close()
            raise QueueUnavailableError(f"{target.redacted} refused the login: {error}") from error

    def pipeline(self, commands: Sequence[Sequence[Argument]]) -> list[Reply]:
        """Send commands in one write; error replies are raised once all have answered."""
        replies = self.pipeline_replies(commands)
        for reply in replies:
            if isinstance(reply, Exception):
                raise map_error(reply)
        return replies

    def pipeline_replies(self, commands: Sequence[Sequence[Argument]]) -> list[Reply]:
        """The same; error replies come back as values. Raises QueueUnavailableError."""
        try:
            self._socket.sendall(b"".join(pack(*command) for command in commands))
            return [self._next_reply() for _ in commands]
        except OSError as error:
            self.close()
            raise QueueUnavailableError(f"Redis gave no answer: {error}") from error

    def _next_reply(self) -> Reply:
        while (reply := self._reader.gets()) is False:
            data = self._socket.recv(65536)
            if not data:
                raise OSError("the connection was closed")
            self._reader.feed(data)
        return reply

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


def _open(target: Target, timeout: float) -> socket.socket:
    if target.unix_path:
        plain = socket.socket(socket.AF_UNIX)
        plain.settimeout(timeout)
        plain.connect(target.unix_path)
        return plain
    plain = socket.create_connection((target.host, target.port), timeout)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    context = target.tls_context()
    if context is None:
        return plain
    return context.wrap_socket(plain, server_hostname=target.host)
