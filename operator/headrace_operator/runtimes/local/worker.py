"""One local worker: its process, its readiness, its drain, and its next process after a crash."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from headrace_operator.runtimes.local.control import drain, is_up
from headrace_operator.runtimes.local.environment import KILL_MARGIN
from headrace_operator.runtimes.local.launch import launch, lines
from headrace_operator.seams.runtime import Trouble, TroubleKind, WorkerPhase, WorkerState

BACKOFF_BASE: Final = 1.0
BACKOFF_CAP: Final = 60.0
"""Seconds before the next process after a crash, doubled with each, from base to cap."""
STEADY: Final = 30.0
"""A process that lived this long had no crash loop."""
LOOP: Final = 2
"""Processes in a row that ended sooner: that is one."""
_LOOK: Final = 0.05
"""Seconds between two looks whether a new process is up."""
_HURRY: Final = 3.0
"""Seconds until SIGKILL for a worker that is told to stop at once."""


@dataclass(frozen=True)
class Recipe:
    """How to make the processes of one worker."""

    app: str
    version: str
    grace: float
    """Seconds that a drain may take."""
    new_name: Callable[[], str]
    """A worker id that was never used: a new process is another worker, so that its predecessor's jobs are reaped."""
    socket: Callable[[str], Path]
    environment: Callable[[str], Mapping[str, str]]
    """By worker id."""
    folder: Path
    on_line: Callable[[str, str], None]
    """Hears each line of output: worker id, line."""
    on_change: Callable[[], None]
    """Hears that `state` has changed."""


class LocalWorker:
    """`run` until it was stopped and its process is gone."""

    def __init__(self, recipe: Recipe) -> None:
        self.aimed = False
        """One of the first to be stopped."""
        self._recipe = recipe
        self._stopping = asyncio.Event()
        self._hurry = asyncio.Event()
        self._process: asyncio.subprocess.Process | None = None
        self._last_line = ""
        self._id = recipe.new_name()
        self._phase = WorkerPhase.STARTING
        self._message = ""
        self._started = time.time()
        self._ends = 0
        """Processes in a row that ended by themselves soon after their start."""
        self._ended = 0.0

    @property
    def state(self) -> WorkerState:
        """As the Runtime shows it."""
        looping = self._phase is WorkerPhase.FAILED and self._ends >= LOOP
        trouble = Trouble(TroubleKind.CRASH_LOOP, self._ended) if looping else None
        return WorkerState(
            *(self._id, self._recipe.version, self._phase, self._started, self._message),
            aimed=self.aimed,
            trouble=trouble,
        )

    @property
    def pid(self) -> int | None:
        """Of the running process."""
        return self._process.pid if self._process else None

    def stop(self) -> None:
        """Drain, then end."""
        self._stopping.set()
        self._become(WorkerPhase.TERMINATING)

    def hurry(self) -> None:
        """End now; jobs in hand are given back."""
        self.stop()
        self._hurry.set()

    async def run(self) -> None:
        """Processes, one after the other."""
        pause = BACKOFF_BASE
        while not self._stopping.is_set():
            began = time.monotonic()
            failure = await self._one_process()
            if self._stopping.is_set():
                return
            steady = time.monotonic() - began > STEADY
            pause = BACKOFF_BASE if steady else pause
            self._ends, self._ended = 0 if steady else self._ends + 1, time.time()
            self._id = self._recipe.new_name()
            self._become(WorkerPhase.FAILED, failure)
            await _wait(self._stopping, pause)
            pause = min(pause * 2, BACKOFF_CAP)

    async def _one_process(self) -> str:
        """Why it ended."""
        recipe = self._recipe
        program = (sys.executable, "-P", "-m", "headrace", "worker", recipe.app)
        self._started = time.time()
        self._last_line = ""
        try:
            process = await launch(program, env=recipe.environment(self._id), folder=recipe.folder)
        except OSError as error:
            return f"can't be started: {error}"
        self._process = process
        try:
            async with asyncio.TaskGroup() as group:
                reading = group.create_task(self._read(process))
                aside = [group.create_task(self._await_ready()), group.create_task(self._end_when_told(process))]
                code = await process.wait()
                for task in aside:
                    task.cancel()
                # A grandchild may hold the pipe open.
                await asyncio.wait([reading], timeout=1)
                reading.cancel()
        finally:
            self._process = None
            if process.returncode is None:
                _signal(process, signal.SIGKILL)
        return _obituary(code, self._last_line)

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        async for line in lines(process.stdout):
            self._last_line = line
            self._recipe.on_line(self._id, line)

    async def _await_ready(self) -> None:
        while not await is_up(self._recipe.socket(self._id)):
            await asyncio.sleep(_LOOK)
        if not self._stopping.is_set():
            self._become(WorkerPhase.READY)

    async def _end_when_told(self, process: asyncio.subprocess.Process) -> None:
        await self._stopping.wait()
        deadline = time.monotonic() + self._recipe.grace + KILL_MARGIN
        drained = await self._drain()
        _signal(process, signal.SIGTERM)
        if not drained:
            # A second one says: give back what runs. A process without signal handlers yet just ends.
            await asyncio.sleep(0.2)
            _signal(process, signal.SIGTERM)
        await _wait(self._hurry, deadline - time.monotonic())
        if self._hurry.is_set():
            await asyncio.sleep(_HURRY)
        _signal(process, signal.SIGKILL)

    async def _drain(self) -> bool:
        """Whether it holds no job any more; False as soon as it is to hurry."""
        drained = False

        async def ask() -> None:
            nonlocal drained
            drained = await drain(self._recipe.socket(self._id), self._recipe.grace)
            hurry.cancel()

        async with asyncio.TaskGroup() as group:
            hurry = group.create_task(self._hurry.wait())
            asking = group.create_task(ask())
            await asyncio.wait({hurry})
            asking.cancel()
        return drained

    def _become(self, phase: WorkerPhase, message: str = "") -> None:
        if self._phase is WorkerPhase.TERMINATING:
            return
        if (self._phase, self._message) != (phase, message):
            self._phase, self._message = phase, message
            self._recipe.on_change()


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(max(seconds, 0)):
            await event.wait()
    except TimeoutError:
        return


def _signal(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        process.send_signal(number)


def _obituary(code: int, last_line: str) -> str:
    how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
    said = last_line.removeprefix("headrace worker: ")
    return f"{how}: {said}" if said else how
