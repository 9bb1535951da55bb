"""Plays lanes: so many at once, in their order, until all have ended or somebody stops it."""

from __future__ import annotations

import asyncio
import shutil
import signal
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from lanes.account import Account
from lanes.lane import LaneProcess
from lanes.record import Record, Verdict, judge
from lanes.split import ROOT, Lane

LOOK: Final = 1.0
"""Seconds between looks at the records."""
GRACE: Final = 90.0
"""Seconds that interrupted lanes have to take down what they have put up; the cluster's takes longest."""
_STOPPERS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Run:
    """`await Run(lanes, account).play()`; stopped by a signal, or by `stop`."""

    def __init__(
        self, lanes: Sequence[Lane], account: Account, *, at_once: int, root: Path = ROOT, grace: float = GRACE
    ) -> None:
        self._lanes, self._account, self._root, self._grace = lanes, account, root, grace
        self._turn = asyncio.Semaphore(at_once)
        self._running: list[LaneProcess] = []
        self._stopping: list[signal.Signals] = []
        self._stopped = asyncio.Event()

    async def play(self) -> tuple[int, list[Verdict]]:
        """What became of each lane, and the exit code: 0 when all were sound, else 1; stopped: 128 + the signal."""
        loop = asyncio.get_running_loop()
        stoppers = [number for number in _STOPPERS if number == signal.SIGINT or not _ignored(number)]
        for number in stoppers:
            loop.add_signal_handler(number, self.stop, number)
        home = Path(tempfile.mkdtemp(prefix="lanes-"))
        try:
            async with asyncio.TaskGroup() as group:
                looking = group.create_task(self._look())
                verdicts = await asyncio.gather(*[group.create_task(self._play(lane, home)) for lane in self._lanes])
                looking.cancel()
        finally:
            for number in stoppers:
                loop.remove_signal_handler(number)
        sound = all(verdict.sound for verdict in verdicts)
        if sound:
            shutil.rmtree(home, ignore_errors=True)
        self._account.close(verdicts, home)
        return 128 + self._stopping[0] if self._stopping else int(not sound), verdicts

    def stop(self, number: signal.Signals) -> None:
        """The first time lanes may take down what they have put up; the second time they are killed."""
        self._stopping.append(number)
        self._stopped.set()
        for lane in self._running:
            if len(self._stopping) == 1:
                lane.interrupt()
                asyncio.get_running_loop().call_later(self._grace, lane.kill)
            else:
                lane.kill()

    async def _play(self, lane: Lane, home: Path) -> Verdict:
        async with self._turn:
            if self._stopped.is_set():
                return judge(lane, Record(), None)
            process = LaneProcess(lane, home, self._root)
            self._account.begins(process)
            self._running.append(process)
            try:
                verdict = await process.run()
            finally:
                self._running.remove(process)
            self._account.ends(process, verdict)
            return verdict

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK)
            for process in self._running:
                self._account.look(process)


def _ignored(number: signal.Signals) -> bool:
    """As nohup has it. A shell's background job ignores the terminal's Ctrl-C, but not what is sent to it alone."""
    return signal.getsignal(number) is signal.SIG_IGN
