"""One server of a test: started with a log file, stopped by its pid, frozen and thawed by signals.

Knows nothing of what the server serves; readiness is the caller's question, `poll_until` its answer.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

LAUNCHER = Path(__file__).with_name("die_with_parent.py")
# To the kernel, the parent that dies is the thread that started the child: one thread that lasts as long as
# this process starts them all, whichever short-lived thread asks.
_STARTER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="server-starter")


class ServerFailed(Exception):
    """A server did not start, or ended by itself; the message ends with the tail of its log."""


def start_child(
    argv: Sequence[str], log: Path, *, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """A process that dies with this one, in a session of its own, appending to `log`."""
    launch = [sys.executable, "-I", "-S", str(LAUNCHER), str(os.getpid()), *argv]
    with log.open("ab") as output:
        return _STARTER.submit(
            subprocess.Popen,
            launch,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=cwd,
            env=env,
            start_new_session=True,
        ).result(10)


class ServerProcess:
    """A server's process; it dies with this one."""

    def __init__(self, name: str, argv: Sequence[str | Path], log: Path) -> None:
        self.name = name
        self.log = log
        self._argv = [str(argument) for argument in argv]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id; raises ServerFailed when it is not running."""
        if self._process is None or self._process.poll() is not None:
            raise ServerFailed(self.report("is not running"))
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it, appending to the log."""
        self._process = start_child(self._argv, self.log)

    def stop(self, *, grace: float) -> None:
        """SIGTERM, then SIGKILL after `grace` seconds (0: at once); also ends a frozen or ended process."""
        process, self._process = self._process, None
        if process is None:
            return
        if grace > 0:
            process.terminate()
            process.send_signal(signal.SIGCONT)
            with suppress(subprocess.TimeoutExpired):
                process.wait(grace)
        process.kill()
        process.wait(10)

    def wait(self, seconds: float) -> int:
        """The exit code of a process that ends by itself; raises ServerFailed when it doesn't."""
        assert self._process is not None
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise ServerFailed(self.report(f"has not ended after {seconds:g} s")) from None

    def freeze(self) -> None:
        """SIGSTOP: connections stay open and nothing answers."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        os.kill(self.pid, signal.SIGCONT)

    def report(self, complaint: str) -> str:
        """`complaint` about this server, with the last lines of its log."""
        tail = self.log.read_text(errors="replace").splitlines()[-25:] if self.log.exists() else []
        return "\n".join([f"{self.name} {complaint}; the end of {self.log}:", *tail])

    def poll_until(self, ready: Callable[[], bool], *, deadline: float) -> None:
        """Ask until `ready()`; ServerFailed when the process ends first or `deadline` (monotonic) passes."""
        while not ready():
            _ = self.pid
            if time.monotonic() > deadline:
                raise ServerFailed(self.report("did not get ready in time"))
            time.sleep(0.05)
