"""Redis and Valkey servers started by the tests themselves, on free loopback ports."""

from __future__ import annotations

import contextlib
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from headrace_operator.dev.server import find_server
from support.ports import free_ports
from support.server_process import ServerProcess


class RedisServer:
    """A server of the test's own: start, stop, kill -9, freeze, restart on the same port and data."""

    host = "127.0.0.1"

    def __init__(self, *options: str, aof: str | None = None, binary: str | None = None) -> None:
        """`aof`: None (no persistence), `everysec` or `always`. `binary`: default the embedded Valkey."""
        self.port = free_ports(1)[0]
        self._dir = Path(tempfile.mkdtemp(prefix="headrace-redis-"))
        persistence = ["--appendonly", "yes", "--appendfsync", aof] if aof else ["--appendonly", "no"]
        command = [
            binary or str(find_server()),
            *("--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(self._dir)),
            *("--loglevel", "warning", "--maxmemory-policy", "noeviction"),
            *persistence,
            *options,
        ]
        self._process = ServerProcess("redis", command, self._dir / "server.log")

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def running(self) -> bool:
        return self._process.running

    def flush(self) -> None:
        """Empty it."""
        with socket.create_connection((self.host, self.port), 10) as wire:
            wire.sendall(b"FLUSHALL\r\n")
            assert wire.recv(64) == b"+OK\r\n"

    def start(self) -> RedisServer:
        self._process.start()
        self._process.poll_until(self._answers, deadline=time.monotonic() + 10)
        return self

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1) as wire:
            wire.sendall(b"PING\r\n")
            return wire.recv(64).startswith(b"+PONG")
        return False

    def stop(self) -> None:
        self._process.stop(grace=10)

    def kill(self) -> None:
        self._process.stop(grace=0)

    def freeze(self) -> None:
        self._process.freeze()

    def thaw(self) -> None:
        self._process.thaw()

    def restart(self) -> None:
        self.stop()
        self.start()

    def __enter__(self) -> RedisServer:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.kill()
        shutil.rmtree(self._dir, ignore_errors=True)


def server_binaries() -> Iterator[tuple[str, str]]:
    """Name and path of each server this machine has: the embedded Valkey, and redis-server if it is installed."""
    yield "valkey", str(find_server())
    if redis := shutil.which("redis-server"):
        yield "redis", redis
