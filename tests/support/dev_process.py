"""A `headrace dev` of a test's own, in a folder with a small application, watched and commanded as its user would."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from support.growing_file import whole_lines
from support.server_process import ServerProcess

APP = """
import asyncio
import os
from pathlib import Path

from headrace import Fleet

VERSION = "1"
OUT = Path("out")
fleet = Fleet()
queue = fleet.queue("q")


def write(text: str) -> None:
    with OUT.open("a") as out:
        out.write(f"{VERSION} {text} {os.getpid()}\\n")


@queue.task()
async def note(text: str) -> None:
    write(text)


@queue.task(timeout=120)
async def slow(text: str, seconds: float) -> None:
    write(f"begin-{text}")
    await asyncio.sleep(seconds)
    write(f"end-{text}")


@queue.task(max_retries=0)
async def picky(text: str) -> None:
    if VERSION == "1":
        raise RuntimeError("version 1 can't do that")
    write(text)
"""

YAML = """
apiVersion: headrace.dev/v1alpha1
kind: WorkerQueue
metadata: {name: shop}
spec:
  redis: {url: redis://nowhere.invalid/0}
  queues: [{name: q}]
  worker: {app: shop, concurrency: 4}
  scaling: {backlogPerReplica: 10, cooldownSeconds: 1, stabilizationWindowSeconds: 0, maxReplicas: 3}
  drain: {graceSeconds: 20}
"""
PATIENCE = 40.0


class DevProcess:
    """Started by `start`; killed with the `with` block whatever happened. `log` is all that it printed."""

    def __init__(self, folder: Path, *options: str, redis_url: str = "") -> None:
        self.folder = folder
        self.log = folder / "dev.log"
        self.environ = {k: v for k, v in os.environ.items() if k not in ("REDIS_URL", "PYTHONPATH")}
        if redis_url:
            self.environ["REDIS_URL"] = redis_url
        self._command = ["/usr/bin/env", *self._variables(), sys.executable, "-m", "headrace", "dev", "--plain"]
        self._command += ["-f", str(folder / "queue.yaml"), *options]
        self._process = ServerProcess("dev", self._command, self.log)

    def _variables(self) -> list[str]:
        unset = ["-u", "PYTHONPATH"]
        return [*unset, *([f"REDIS_URL={self.environ['REDIS_URL']}"] if "REDIS_URL" in self.environ else [])]

    def __enter__(self) -> DevProcess:
        if not (self.folder / "queue.yaml").exists():
            (self.folder / "queue.yaml").write_text(YAML)
        if not (self.folder / "shop.py").exists():
            (self.folder / "shop.py").write_text(APP)
        return self.start()

    def __exit__(self, *_: object) -> None:
        self._process.stop(grace=0)

    def start(self) -> DevProcess:
        """Start, and wait for the first look at the queue."""
        for old in (self.folder / ".headrace" / "status").glob("*"):
            old.unlink()
        self._process.start()
        self.until("it has looked at the queue", lambda: "queue" in self.status)
        return self

    @property
    def pid(self) -> int:
        return self._process.pid

    def signal(self, number: signal.Signals = signal.SIGINT) -> None:
        os.kill(self.pid, number)

    def wait(self, seconds: float = PATIENCE) -> int:
        """Its exit code."""
        return self._process.wait(seconds)

    def kill(self) -> None:
        """kill -9."""
        self._process.stop(grace=0)

    @property
    def status(self) -> dict[str, Any]:
        return self.status_of("shop")

    def status_of(self, name: str) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads((self.folder / f".headrace/status/{name}.json").read_text())
        except (OSError, ValueError):
            return {}
        return found

    def condition(self, kind: str) -> str:
        """The reason of a condition."""
        return next((one["reason"] for one in self.status.get("conditions", []) if one["type"] == kind), "")

    @property
    def printed(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    @property
    def out(self) -> list[str]:
        """What handlers wrote: `version text`."""
        return [" ".join(line.split()[:2]) for line in self._out_lines()]

    @property
    def pids(self) -> list[int]:
        """Of the workers that wrote it."""
        return [int(line.split()[2]) for line in self._out_lines()]

    def _out_lines(self) -> list[str]:
        return whole_lines(self.folder / "out")

    @property
    def redis_url(self) -> str:
        return self.environ.get("REDIS_URL") or (self.folder / ".headrace/redis-url").read_text().strip()

    def enqueue(self, task: str, *arguments: object, delay: float = 0) -> None:
        self.run("enqueue", "q", task, "--args", json.dumps(arguments), "--delay", str(delay))

    def run(self, *command: str, code: int = 0) -> str:
        """What a headrace command prints, both streams; its exit code must be `code`."""
        done = subprocess.run(
            [sys.executable, "-m", "headrace", *command],
            cwd=self.folder,
            env={**self.environ, "REDIS_URL": self.redis_url},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == code, f"{command}: {done.stdout}{done.stderr}"
        return (done.stdout + done.stderr).strip()

    def edit(self, name: str, old: str, new: str) -> None:
        """Save a file as editors do: another takes its place."""
        path = self.folder / name
        text = path.read_text()
        assert old in text
        part = path.with_name(f"{name}.part")
        part.write_text(text.replace(old, new))
        part.replace(path)

    def until(self, what: str, is_so: Callable[[], bool], seconds: float = PATIENCE) -> float:
        """Wait with a deadline; the seconds that it took."""
        began = time.monotonic()
        while not is_so():
            assert time.monotonic() - began < seconds, self._process.report(f"still not: {what}")
            _ = self.pid  # fails with the log when it has ended
            time.sleep(0.02)
        return time.monotonic() - began

    def workers(self) -> int:
        """Workers that exist by its status, ending ones included."""
        return sum(one["desired"] + one["terminating"] for one in self.status.get("versions", []))


def is_alive(pid: int) -> bool:
    """A process that runs; a zombie doesn't."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
