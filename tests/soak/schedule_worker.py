"""The worker of a simulated year, whose jobs take their time, fail, are tried again and are told to stop."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from support.operator_diary import Diary, Turn
from support.queue_driver import QueueDriver

SID = "w"
SLOTS = 1000


@dataclass
class _Running:
    claim: str
    until_ms: int
    """When it ends."""
    ends: Turn


@dataclass
class YearWorker:
    """Moved by `work`, at a time that Redis has been told."""

    driver: QueueDriver
    chance: random.Random
    diary: Diary
    takes_ms: dict[str, int]
    """How long the jobs of a Schedule run at most, by uid; they wait as long for another try."""
    at_ease: bool = False
    """From now on each job is done at once, and none fails."""
    _running: dict[str, _Running] = field(default_factory=dict)
    _attempts: dict[str, int] = field(default_factory=dict)

    async def work(self, now_ms: int) -> None:
        """Settle what has ended by now, take what there is, again until there is nothing more."""
        while True:
            ended = [job for job, one in self._running.items() if self.at_ease or one.until_ms <= now_ms]
            if await self._exchange(now_ms, ended) + len(ended) == 0:
                return

    async def _exchange(self, now_ms: int, ended: list[str]) -> int:
        told_ms = self.driver.now_ms
        done: dict[str, list[str]] = {}
        others: list[object] = []
        for job in ended:
            one = self._running.pop(job)
            turn = Turn.DONE if self.at_ease and one.ends is not Turn.STOPPED else one.ends
            if turn is Turn.DONE:
                done.setdefault(one.claim, []).append(job)
            else:
                others.append(self._settlement(job, one.claim, turn))
            self.diary.reader.turned(job, turn)
        got = await self.driver.exchange(SID, SLOTS, done=done, others=others)
        assert not got.stale, f"settled under the claim that it was got by: {got.stale}"
        self.diary.reader.clock(told_ms, got.now_ms, done=True)
        for job in got.ids:
            self.diary.reader.turned(job, Turn.GOT)
            self._running[job] = self._begin(job, got.claim, now_ms)
        for job in got.cancelled:
            if job in self._running and self.chance.random() < 0.5:
                self._running[job].ends, self._running[job].until_ms = Turn.STOPPED, now_ms
        return len(got.ids)

    def _begin(self, job: str, claim: str, now_ms: int) -> _Running:
        takes_ms, dice = self.takes_ms[job.rpartition(":")[0]], self.chance.random()
        if not takes_ms or self.at_ease:
            return _Running(claim, now_ms, Turn.DONE)
        until_ms = now_ms + (self.chance.randrange(takes_ms) if dice < 0.5 else 0)
        if self.chance.random() < 0.7:
            return _Running(claim, until_ms, Turn.DONE)
        return _Running(claim, until_ms, Turn.RETRY if self.chance.random() < 0.8 else Turn.BURIED)

    def _settlement(self, job: str, claim: str, turn: Turn) -> list[object]:
        if turn is Turn.STOPPED:
            return ["cancel", job, claim]
        if turn is Turn.BURIED:
            return ["bury", job, claim, "t", "ValueError", "r", "", "", 1]
        self._attempts[job] = attempts = self._attempts.get(job, 0) + 1
        delay_ms = self.chance.randrange(self.takes_ms[job.rpartition(":")[0]])
        return ["retry", job, claim, attempts, delay_ms, "ValueError"]
