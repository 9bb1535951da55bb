"""The one server of a benchmark: started on a free loopback port, without persistence, emptied between runs."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.children import Child
from benchmarks.failures import BenchError
from headrace.errors import HeadraceError
from headrace.wire.blocking import BlockingConnection
from headrace.wire.target import parse_target
from headrace_operator.dev.server import find_server

START_PATIENCE = 10.0
CALL_TIMEOUT = 30.0


class Server:
    """A running server."""

    def __init__(self, port: int) -> None:
        self.url = f"redis://127.0.0.1:{port}/0"
        self._connection = BlockingConnection(parse_target(self.url), CALL_TIMEOUT, "headrace-bench")

    def empty(self) -> None:
        """Forget everything, and have the memory back before the next run begins."""
        self._connection.pipeline([("FLUSHALL", "SYNC")])

    def version(self) -> str:
        """Name and version, from INFO."""
        (info,) = self._connection.pipeline([("INFO", "server")])
        fields = dict(line.split(":", 1) for line in info.decode().splitlines() if ":" in line)
        name = fields.get("server_name", "redis")
        return f"{name} {fields.get(f'{name}_version', fields['redis_version'])}"


@contextmanager
def running_server(binary: str | None) -> Iterator[Server]:
    """`binary`: default the embedded Valkey. Raises BenchError."""
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    directory = tempfile.mkdtemp(prefix="headrace-bench-")
    options = f"--port {port} --bind 127.0.0.1 --appendonly no --loglevel warning --dir {directory} --save".split()
    child = Child("the server", [binary or str(find_server()), *options, ""], Path(directory), os.environ)
    try:
        yield _connect(child, port)
    finally:
        child.stop()
        shutil.rmtree(directory, ignore_errors=True)


def _connect(child: Child, port: int) -> Server:
    give_up = time.monotonic() + START_PATIENCE
    while True:
        child.check_runs()
        try:
            return Server(port)
        except HeadraceError as error:
            if time.monotonic() > give_up:
                raise BenchError(f"the server did not start: {error}") from None
            time.sleep(0.05)
