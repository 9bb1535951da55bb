"""One lane's pytest: a process with folders of its own, which dies with the run, and of which nothing stays behind."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from lanes.record import RecordFile, Verdict, judge
from lanes.split import ROOT, Lane
from support.server_process import LAUNCHER

TIMEOUT: Final = 300
"""Seconds for a test that doesn't say: two and a half times what it has alone, as the others compute, too."""
GONE_WITHIN: Final = 10.0
"""Seconds until the kernel has ended what is killed."""
LAST_WORDS: Final = 40
"""Lines of a crashed lane's log that are shown."""


class LaneProcess:
    """Has its log, its record and a folder, which is its TMPDIR, within `home`."""

    def __init__(self, lane: Lane, home: Path, root: Path = ROOT) -> None:
        self.lane, self.folder, self.log = lane, home / lane.name, home / f"{lane.name}.log"
        self.folder.mkdir()
        self._root, self._recorded = root, home / f"{lane.name}.jsonl"
        self._file = RecordFile(self._recorded)
        self.record = self._file.record
        self.more = self._file.more
        self._process: asyncio.subprocess.Process | None = None

    async def run(self) -> Verdict:
        """Until it ends by itself, or because of `interrupt` or `kill`; then whatever its tests have left is ended."""
        command = [sys.executable, "-I", "-S", str(LAUNCHER), str(os.getpid()), sys.executable, *self._arguments()]
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._root,
                env=self._environment(),
                start_new_session=True,
            )
        try:
            exit_code = await self._process.wait()
        finally:
            self.kill()  # it has ended, unless the run itself has failed
            await asyncio.to_thread(self.sweep)
        self.more()
        return judge(self.lane, self.record, exit_code)

    def interrupt(self) -> None:
        """As Ctrl-C does: pytest ends what the test has started."""
        self._signal(signal.SIGINT)

    def kill(self) -> None:
        """At once. Its servers die with it; `run` sweeps up the rest."""
        self._signal(signal.SIGKILL)

    def last_words(self) -> str:
        """The end of what it printed."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-LAST_WORDS:])

    def sweep(self) -> None:
        """End every process that belongs to the lane, and what those start meanwhile."""
        give_up = time.monotonic() + GONE_WITHIN
        while (found := list(belonging(self.folder))) and time.monotonic() < give_up:
            for pid in found:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.01)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(number)

    def _arguments(self) -> list[str]:
        return [
            *("-m", "pytest", "-p", "tests.lanes.plugin", f"--lane-record={self._recorded}"),
            # A file that can't be imported fails alone.
            *("-q", "--continue-on-collection-errors", f"--timeout={TIMEOUT}"),
            *("-o", f"cache_dir={self.folder / 'cache'}", f"--basetemp={self.folder / 't'}"),
            *("-o", "tmp_path_retention_policy=failed", *self.lane.files),
        ]

    def _environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "TMPDIR": str(self.folder),
            "HYPOTHESIS_STORAGE_DIRECTORY": str(self._root / ".hypothesis" / self.lane.name),
            # Hundreds of workers are started, and each would compile what it imports.
            "PYTHONDONTWRITEBYTECODE": "",
        }


def belonging(folder: Path) -> Iterator[int]:
    """Processes whose environment or command line names `folder`, as every process in it has its TMPDIR."""
    name = os.fsencode(folder)
    for process in Path("/proc").iterdir():
        if process.name.isdecimal() and int(process.name) != os.getpid():
            with suppress(OSError):  # ended meanwhile, or another user's
                if any(name in (process / part).read_bytes() for part in ("environ", "cmdline")):
                    yield int(process.name)
