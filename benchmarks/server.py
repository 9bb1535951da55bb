"""The one server of a benchmark: started on a free loopback port, emptied between runs, persistent when asked."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import allocator
from benchmarks.children import Child
from benchmarks.failures import BenchError
from benchmarks.scenarios import Aof
from headrace.errors import HeadraceError
from headrace.wire.blocking import BlockingConnection
from headrace.wire.target import parse_target
from headrace_operator.dev.server import find_server

START_PATIENCE = 10.0
CALL_TIMEOUT = 30.0
SWITCH_PATIENCE = 60.0
"""Seconds for an empty server to begin an append-only file."""


class Server:
    """A running server."""

    def __init__(self, port: int) -> None:
        self.url = f"redis://127.0.0.1:{port}/0"
        self._connection = BlockingConnection(parse_target(self.url), CALL_TIMEOUT, "headrace-bench")
        self._aof = Aof.OFF

    def empty(self) -> None:
        """Forget everything, and have the memory back before the next run begins."""
        self._connection.pipeline([("FLUSHALL", "SYNC")])

    def persist(self, aof: Aof) -> None:
        """Returns once the server writes, or no longer writes, what it does to disk. Raises BenchError."""
        if aof is self._aof:
            return
        self.empty()
        if aof is Aof.OFF:
            self._connection.pipeline([("CONFIG", "SET", "appendonly", "no")])
        else:
            self._connection.pipeline(
                [("CONFIG", "SET", "appendfsync", aof.value), ("CONFIG", "SET", "appendonly", "yes")]
            )
            self._wait_for_file()
        self._aof = aof

    def _wait_for_file(self) -> None:
        give_up = time.monotonic() + SWITCH_PATIENCE
        while True:
            now = self.info("persistence")
            if now["aof_rewrite_in_progress"] == now["aof_rewrite_scheduled"] == "0":
                break
            if time.monotonic() > give_up:
                raise BenchError(f"the server did not begin its append-only file within {SWITCH_PATIENCE:g} s")
            time.sleep(0.02)
        if now["aof_last_bgrewrite_status"] != "ok":
            raise BenchError("the server can't write an append-only file")

    def info(self, section: str) -> dict[str, str]:
        """The fields of a section of INFO."""
        (info,) = self._connection.pipeline([("INFO", section)])
        return dict(line.split(":", 1) for line in info.decode().splitlines() if ":" in line)

    def cpu_seconds(self) -> float:
        """That the server has used so far, in its own code and in the kernel's for it."""
        fields = self.info("cpu")
        return float(fields["used_cpu_sys"]) + float(fields["used_cpu_user"])

    def reset_commands(self) -> None:
        """Count commands anew."""
        self._connection.pipeline([("CONFIG", "RESETSTAT")])

    def commands(self) -> dict[str, tuple[int, float]]:
        """Calls and µs spent in each command since they were last reset; a script's are in its own and in EVALSHA's."""
        fields = self.info("commandstats")
        parsed = {name: dict(part.split("=") for part in text.split(",")) for name, text in fields.items()}
        return {
            name.removeprefix("cmdstat_"): (int(found["calls"]), float(found["usec"])) for name, found in parsed.items()
        }

    def close(self) -> None:
        """The connection to it; it runs on."""
        self._connection.close()

    def version(self) -> str:
        """Name, version and allocator, from INFO."""
        fields = self.info("server")
        name = fields.get("server_name", "redis")
        version = fields.get(f"{name}_version", fields["redis_version"])
        return f"{name} {version} with {allocator.in_use(self.info('memory')['mem_allocator'])}"


@contextmanager
def running_server(binary: str | None) -> Iterator[Server]:
    """`binary`: default the embedded Valkey. Raises BenchError."""
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    directory = tempfile.mkdtemp(prefix="headrace-bench-")
    # Its file is not rewritten in the middle of a run, which would be another's cost.
    fixed = "--appendonly no --auto-aof-rewrite-percentage 0 --loglevel warning"
    options = f"{fixed} --port {port} --bind 127.0.0.1 --dir {directory} --save".split()
    program = binary or str(find_server())
    child = Child("the server", [program, *options, ""], Path(directory), allocator.environ(_built_with(program)))
    try:
        with contextlib.closing(_connect(child, port)) as server:
            yield server
    finally:
        child.stop()
        shutil.rmtree(directory, ignore_errors=True)


def _built_with(program: str) -> str:
    """The allocator of a server's program: `… malloc=jemalloc-5.3.0 …`."""
    try:
        told = subprocess.run(
            [program, "--version"], check=True, capture_output=True, text=True, timeout=START_PATIENCE
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise BenchError(f"{program} can't be run: {error}") from None
    return next((word[7:] for word in told.stdout.split() if word.startswith("malloc=")), "")


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
