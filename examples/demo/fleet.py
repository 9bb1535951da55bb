"""A running `headrace dev`, as its user sees it: the lines it prints, the status it writes, the commands beside it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from headrace_operator.runtimes.local import die_with_parent

LAUNCHER = Path(die_with_parent.__file__)
HEADRACE = (sys.executable, "-m", "headrace")
_LOOK = 0.02
"""Seconds between two looks at what it has written."""
_WORKER_LINE = re.compile(r"^\S+#\d+ \| ")
_ADDRESS = re.compile(r"REDIS_URL=(\S+)")


def dies_with_this_process() -> list[str]:
    """Put in front of a command: it gets SIGTERM when this process dies, however it dies."""
    return [sys.executable, "-I", "-S", str(LAUNCHER), str(os.getpid()), str(int(signal.SIGTERM))]


class StoryError(Exception):
    """Something did not come about; one line."""


class Fleet:
    """`headrace dev` in a folder with a queue.yaml; it ends with the `with` block."""

    def __init__(self, folder: Path, environ: Mapping[str, str], hear: Callable[[str], None]) -> None:
        """`hear` gets what dev says of itself and its fleets, in a thread of its own; not what workers print."""
        self.folder = folder
        self.redis_url = ""
        self.rollouts = 0
        self.peak = 0
        """Most replicas that were seen at once."""
        self._environ = dict(environ)
        self._hear = hear
        self._tail: list[str] = []

    def __enter__(self) -> Fleet:
        command = [*dies_with_this_process(), *HEADRACE, "dev", "-f", "queue.yaml", "--plain"]
        self._process = subprocess.Popen(
            command,
            cwd=self.folder,
            env=self._environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(10)
        self._reader.join(10)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            text = line.rstrip()
            self._tail = [*self._tail[-19:], text]
            if found := _ADDRESS.search(text):
                self.redis_url = found[1]
            self.rollouts += "RolloutFinished" in text
            if not _WORKER_LINE.match(text):
                self._hear(text)

    @property
    def status(self) -> dict[str, Any]:
        """The WorkerQueue's status as dev last wrote it; empty before the first."""
        try:
            found: dict[str, Any] = json.loads((self.folder / ".headrace/status/code-index.json").read_text())
        except (OSError, ValueError):
            return {}
        self.peak = max(self.peak, found.get("replicas", 0))
        return found

    def until(self, what: str, reached: Callable[[dict[str, Any]], bool], seconds: float) -> dict[str, Any]:
        """Look at the status until `reached`. Raises StoryError after `seconds`, or when dev ends."""
        give_up = time.monotonic() + seconds
        while not reached(status := self.status):
            if self._process.poll() is not None:
                raise StoryError(f"headrace dev ended with code {self._process.returncode}: {' / '.join(self._tail)}")
            if time.monotonic() > give_up:
                raise StoryError(f"after {seconds:g} s still not: {what}; the end of dev's lines: {self._tail[-3:]}")
            time.sleep(_LOOK)
        return status

    def run(self, *command: str) -> str:
        """What a command prints, run beside the fleet. Raises StoryError when it fails."""
        done = subprocess.run(
            [sys.executable, "-m", *command],
            cwd=self.folder,
            env={**self._environ, "REDIS_URL": self.redis_url},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if done.returncode != 0:
            raise StoryError(f"{' '.join(command)} failed with code {done.returncode}: {done.stderr.strip()}")
        return done.stdout.strip()

    def stop(self) -> int:
        """Ctrl-C; the exit code."""
        os.kill(self._process.pid, signal.SIGINT)
        try:
            return self._process.wait(60)
        except subprocess.TimeoutExpired:
            raise StoryError("headrace dev did not end within 60 s of Ctrl-C") from None


def jobs(status: dict[str, Any], *states: str) -> int:
    """Jobs in these states together."""
    return sum(int(status.get("queue", {}).get(state, 0)) for state in states)


def dead(status: dict[str, Any]) -> int:
    """Dead letters."""
    return int(status.get("deadLetters", {}).get("total", 0))
