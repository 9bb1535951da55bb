"""A real `headrace worker` of a test's own: its environment, its log, its probes, its signals, its end.

Knows no queue and no application. Every worker dies with the test run, however that ends.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.growing_file import whole_lines
from support.polling import eventually
from support.server_process import start_child

TESTS = Path(__file__).parents[1]
OURS = ("REDIS_URL", "WORKER_COUNT", "QUEUE_SIZE", "MAX_RETRIES", "LOG_LEVEL", "LOG_FORMAT", "METRICS_PORT", "LEASE")


@dataclass(frozen=True)
class Answered:
    """An HTTP reply."""

    status: int
    text: str
    kind: str


def clean_environment(**variables: str) -> dict[str, str]:
    """This process's environment without any setting of a worker's, with the applications of the tests importable."""
    kept = {name: value for name, value in os.environ.items() if name not in OURS and not name.startswith("HEADRACE_")}
    return {**kept, "PYTHONPATH": str(TESTS), "PYTHONUNBUFFERED": "1", **variables}


class WorkerProcess:
    """`headrace worker APP` with its files in `directory`. Settings by environment, e.g. `LEASE="1s"`."""

    def __init__(self, app: str, redis_url: str, directory: Path, *arguments: str, **environ: str) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.app = app
        self.directory = directory
        self.log_file = directory / "worker.log"
        self.socket = directory / "control.sock"
        self.environ = clean_environment(
            **{
                "REDIS_URL": redis_url,
                "METRICS_PORT": "0",
                "LOG_FORMAT": "json",
                "LOG_JOBS": "all",
                "HEADRACE_CONTROL_SOCKET": str(self.socket),
                **environ,
            }
        )
        self._arguments = arguments
        self._process: subprocess.Popen[bytes] | None = None

    def launch(self) -> WorkerProcess:
        """Start it and return at once."""
        command = [sys.executable, "-m", "headrace", "worker", self.app, *self._arguments]
        self._process = start_child(command, self.log_file, cwd=self.directory, env=self.environ)
        return self

    async def start(self) -> WorkerProcess:
        """Start it and wait until it consumes."""
        self.launch()
        await self.logged("worker started")
        return self

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "the worker was never started"
        return self._process

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    # -- its log

    def output(self) -> str:
        """Everything it has written."""
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def lines(self, event: str | None = None) -> list[Mapping[str, Any]]:
        """The log's JSON lines, or those of one event. Fails for anything else in the log: a traceback, a warning."""
        whole = whole_lines(self.log_file)
        strange = [line for line in whole if not line.startswith('{"time"')]
        assert not strange, "\n".join(["the worker wrote what is not a log line:", *strange[-30:]])
        parsed = [json.loads(line) for line in whole]
        return [line for line in parsed if event in (None, line["event"])]

    async def logged(self, event: str, *, within: float = 60.0, count: int = 1) -> Mapping[str, Any]:
        """Wait for a line of that event; the first."""

        def seen() -> list[Mapping[str, Any]]:
            running = self.running  # asked first: it may write and end in between
            found = self.lines(event)
            assert len(found) >= count or running, f"the worker ended:\n{self.output()}"
            return found if len(found) >= count else []

        return (await eventually(seen, within=within))[0]

    # -- its probes

    @property
    def port(self) -> int:
        """Where health and metrics are."""
        port: int = self.lines("worker started")[0]["metrics_port"]
        return port

    async def http(self, path: str, method: str = "GET", host: str = "127.0.0.1", **headers: str) -> Answered:
        """One request to its health port."""
        return await asyncio.to_thread(self._http, path, method, host, headers)

    def _http(self, path: str, method: str, host: str, headers: Mapping[str, str]) -> Answered:
        connection = http.client.HTTPConnection(host, self.port, timeout=5)
        try:
            connection.request(method, path, headers=dict(headers))
            reply = connection.getresponse()
            return Answered(reply.status, reply.read().decode(), reply.headers.get("Content-Type", ""))
        finally:
            connection.close()

    async def status(self, path: str) -> int:
        """The status code of a GET."""
        return (await self.http(path)).status

    # -- its end

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    async def exit_code(self, *, within: float = 20.0) -> int:
        """Wait for its end."""
        await eventually(lambda: not self.running, within=within)
        return self.process.returncode

    async def stop(self, *, within: float = 20.0) -> int:
        """SIGTERM, and its exit code."""
        self.signal(signal.SIGTERM)
        return await self.exit_code(within=within)

    def kill(self) -> None:
        """SIGKILL to it and its children, also when frozen or gone already."""
        if self._process is not None and self._process.returncode is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(10)


def run_headrace(
    *arguments: str, environ: Mapping[str, str] | None = None, cwd: Path | None = None, within: float = 30.0
) -> tuple[int, str, str]:
    """`headrace …` to its end: exit code, stdout, stderr. For coroutines: `asyncio.to_thread(run_headrace, …)`."""
    done = subprocess.run(
        [sys.executable, "-m", "headrace", *arguments],
        capture_output=True,
        text=True,
        timeout=within,
        env=clean_environment(**(environ or {})),
        cwd=cwd,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr
