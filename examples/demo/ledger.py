"""The judge: a Redis of its own for the ledger, and what the ledger proves. Asks the engine nothing."""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import redis
from examples.demo.fleet import dies_with_this_process

from code_index.discover import source_files
from code_index.ledger import Ledger, Summary, entries
from headrace_operator.dev.server import find_server


@contextmanager
def ledger_server() -> Iterator[str]:
    """The address of a server without persistence, which ends with the block."""
    with tempfile.TemporaryDirectory(prefix="headrace-ledger-") as folder:
        path = f"{folder}/s"
        command = [
            *dies_with_this_process(),
            str(find_server()),
            "--port",
            "0",
            "--unixsocket",
            path,
            "--save",
            "",
            "--dir",
            folder,
        ]
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        url = f"unix://{path}"
        try:
            _await(path)
            yield url
        finally:
            server.terminate()
            server.wait(10)


def _await(path: str) -> None:
    give_up = time.monotonic() + 10
    while True:
        try:
            with socket.socket(socket.AF_UNIX) as probe:
                probe.connect(path)
            return
        except OSError:
            if time.monotonic() > give_up:
                raise
            time.sleep(0.02)


class Judge:
    """Counts from the ledger at `url`."""

    def __init__(self, url: str) -> None:
        self._url = url

    def look(self) -> Summary:
        """What the ledger says now."""
        return Ledger.read(self._url)

    @property
    def running(self) -> int:
        """Jobs that have begun and not ended."""
        return self.look().count("running")

    def starts(self) -> Counter[str]:
        """How often each job was started."""
        with redis.Redis.from_url(self._url, decode_responses=True, socket_timeout=10) as client:
            return Counter(entry["job"] for entry in entries(client) if entry["event"] == "start")

    def workers_alive(self) -> int:
        """Worker processes that ever ran a job and still exist."""
        with redis.Redis.from_url(self._url, decode_responses=True, socket_timeout=10) as client:
            pids = {int(entry["pid"]) for entry in entries(client)}
        return sum(os.path.exists(f"/proc/{pid}") for pid in pids)


def expected_jobs(scan: str) -> set[str]:
    """The ids that must all have ended: the scan's own, and one for each source file on this machine."""
    return {scan} | {file.id for file in source_files()}
