"""A command on a terminal of its own: what it shows, keys typed into it, how it leaves the terminal."""

from __future__ import annotations

import fcntl
import os
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07|\r")
SECONDS = 60.0
PATIENCE = 3.0
"""Seconds that a person waits before pressing Ctrl-C once more."""


class Terminal:
    """`with Terminal(["headrace", …]) as terminal:` runs it there; leaving kills what still runs."""

    def __init__(self, command: Sequence[str], *, columns: int = 200, **environ: str) -> None:
        self._ours, self._theirs = os.openpty()
        fcntl.ioctl(self._theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
        self._before = termios.tcgetattr(self._theirs)
        self._process = subprocess.Popen(
            ["setsid", "--ctty", "--wait", *command],
            stdin=self._theirs,
            stdout=self._theirs,
            stderr=self._theirs,
            env={**os.environ, "TERM": "xterm", **environ},
        )
        self._written = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        os.close(self._ours)
        os.close(self._theirs)

    @property
    def text(self) -> str:
        """All that was written so far, without what moves the cursor."""
        return _CONTROL.sub("", self._written.decode(errors="replace"))

    @property
    def raw(self) -> bytes:
        """All that was written so far."""
        return self._written

    @property
    def as_before(self) -> bool:
        """Whether the terminal's modes are what they were."""
        return termios.tcgetattr(self._theirs) == self._before

    def wait_for(self, text: str, *, after: int = 0) -> None:
        """Until `text` is shown, beyond the first `after` characters; raises TimeoutError."""
        give_up = time.monotonic() + SECONDS
        while text not in self.text[after:]:
            self._read(give_up)

    def type(self, keys: bytes) -> None:
        """As a person does."""
        os.write(self._ours, keys)

    def interrupt(self) -> int:
        """Ctrl-C until it ends, as a person does: Python's `input` loses one that comes just before it reads. While it
        computes it may be about to end, and Python takes a second one then for its death. The exit code; raises
        TimeoutError.
        """
        give_up = again = time.monotonic()
        give_up += SECONDS
        while self._process.poll() is None:
            if time.monotonic() >= again and self._sleeps():
                self.type(b"\x03")
                again = time.monotonic() + PATIENCE
            self._read(give_up, step=0.05)
        return self.wait()

    def _sleeps(self) -> bool:
        """Whether it waits for something other than a processor."""
        try:
            return Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "S"
        except FileNotFoundError:  # it has ended
            return False

    def wait(self) -> int:
        """The exit code, once it has ended; raises TimeoutError."""
        give_up = time.monotonic() + SECONDS
        while self._process.poll() is None:
            self._read(give_up, step=0.05)
        while select.select([self._ours], [], [], 0)[0]:
            self._written += os.read(self._ours, 65536)
        return self._process.returncode

    def _read(self, give_up: float, step: float = 1.0) -> None:
        if time.monotonic() > give_up:
            raise TimeoutError(f"it shows {self.text[-2000:]!r}")
        if select.select([self._ours], [], [], step)[0]:
            self._written += os.read(self._ours, 65536)
