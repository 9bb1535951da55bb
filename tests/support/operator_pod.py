"""Keeps an operator's container running as a kubelet does: started again when it ended, each time after a longer pause.

Owns when; the process is an OperatorProcess.
"""

from __future__ import annotations

import asyncio
import time

from support.operator_process import OperatorProcess

FIRST_PAUSE = 10.0
LONGEST_PAUSE = 300.0
"""Seconds, those of a kubelet: the first restart is immediate, the next waits so long, doubled each time."""


class OperatorPod:
    """`run` beside a test until cancelled."""

    def __init__(self, process: OperatorProcess) -> None:
        self.process = process
        self.restarts = 0
        self._pause = 0.0

    async def run(self) -> None:
        """Start the container whenever it is found to have ended."""
        while True:
            await asyncio.sleep(0.1)
            if self.process.running:
                continue
            await self._wait_out()
            self.restarts += 1
            await asyncio.to_thread(self.process.launch)

    def forgive(self) -> None:
        """Ten minutes without a crash have passed, as it were."""
        self._pause = 0.0

    async def _wait_out(self) -> None:
        until = time.monotonic() + self._pause
        self._pause = min(max(FIRST_PAUSE, self._pause * 2), LONGEST_PAUSE)
        while time.monotonic() < until:
            await asyncio.sleep(0.1)
