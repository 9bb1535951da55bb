"""Child processes that never outlive the benchmark: started in a session of their own, ended by their id."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.failures import BenchError

GRACE = 15.0
"""Seconds between SIGTERM and SIGKILL."""
PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None, use_errno=True)


def _die_with_parent() -> None:
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


class Child:
    """One running process; what it prints goes to a file, for every engine alike."""

    def __init__(self, name: str, command: Sequence[str], directory: Path, environ: Mapping[str, str]) -> None:
        self.name = name
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the process
        self._process = subprocess.Popen(
            command,
            cwd=directory,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=self._output,
            start_new_session=True,
            preexec_fn=_die_with_parent,  # noqa: PLW1509 - the benchmark has one thread
        )

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def check_runs(self) -> None:
        """Raises BenchError with its last words if it has ended."""
        if self._process.poll() is not None:
            raise BenchError(f"{self.name} ended with exit code {self._process.returncode}: {self.last_words()}")

    def last_words(self) -> str:
        """The last line it has printed."""
        self._output.seek(0)
        lines = self._output.read().decode(errors="replace").strip().splitlines()
        return lines[-1].strip() if lines else "it printed nothing"

    def wait(self, seconds: float) -> str:
        """Wait for a good end; returns the last line it has printed. Raises BenchError."""
        try:
            code = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise BenchError(f"{self.name} did not end within {seconds:g} s: {self.last_words()}") from None
        if code:
            raise BenchError(f"{self.name} ended with exit code {code}: {self.last_words()}")
        return self.last_words()

    def stop(self) -> None:
        """SIGTERM, then SIGKILL for it and what it has started."""
        if self._process.poll() is None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(GRACE)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(GRACE)
        self._output.close()
