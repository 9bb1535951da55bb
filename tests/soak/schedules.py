"""Schedules for a simulated year, fired by two operators that are killed, frozen and cut off while Redis's clock
jumps by an hour, people suspend, break and change them, and jobs run long and fail: of each tick there must come what a
ledger says that knows nothing of headrace.

Time is virtual, the scripts and the server are real. The ledger (schedule_ledger.py, a schedule_book.py each) walks
over every minute of the year for the ticks, is told of every call when it arrives, and derives what must come of it.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from headrace.wire.link import Link
from headrace.wire.target import parse_target
from soak.schedule_book import Book
from soak.schedule_kinds import KEPT, YEAR, YEAR_BEGINS, make_subject, terms_of
from soak.schedule_ledger import Ledger
from soak.schedule_rules import Fate, Mistake
from soak.schedule_worker import SID, YearWorker
from support.operator_diary import Diary, Record, Turn, read_record
from support.queue_driver import QueueDriver
from support.servers import RedisServer
from support.virtual_operators import DAY, HOUR, MINUTE, Chances, FaultyLink, Stated, VirtualOperator, VirtualTime

OPERATORS: Final = 2
END: Final = 6 * DAY
"""How long it goes on in peace: longer than a job may wait for another try."""
SHOWN: Final = 10
_WRONG: Final = {
    Mistake.DUPLICATE: "duplicates",
    Mistake.STRANGER: "strangers",
    Mistake.HOLE: "holes",
    Mistake.SKIP: "wrong_skips",
    Mistake.MISS: "wrong_misses",
    Mistake.REPLACEMENT: "wrong_replacements",
    Mistake.COUNT: "wrong_counts",
    Mistake.CLOCK: "wrong_clocks",
}


@dataclass(frozen=True)
class Verdict:
    """What a year came to."""

    schedules: int
    operators: int
    days: int
    ticks: int
    """That fell due, by the ledger, of all schedules."""
    jobs: int
    """Ticks whose job a worker got and brought to its end …"""
    replaced: int
    """… whose job was called off before that, …"""
    skipped: int
    missed: int
    not_owed: int
    """… and those of suspensions, or up to a change of their timing."""
    duplicates: int
    """Schedules of which a worker got a job once more than it came back; each counts by its first mistake."""
    strangers: int
    """Of which a tick got a job, or was dealt with, that was not the next one."""
    holes: int
    """Of which a tick was not dealt with when it must have been, or a job reached no worker."""
    wrong_skips: int
    wrong_misses: int
    wrong_replacements: int
    wrong_counts: int
    """Whose record in Redis, and so status, says something else than the ledger."""
    wrong_clocks: int
    """Answers whose time is not the queue's."""
    failed: int
    """Tries that ended in another one …"""
    dead: int
    """… or in a dead letter."""
    calls: int
    kills: int
    lost: int
    frozen: int
    jumps: int
    seconds: float
    first_mistakes: tuple[str, ...] = ()
    """Some, in words."""

    @property
    def sound(self) -> bool:
        """What `make soak` asserts."""
        wrong = [getattr(self, name) for name in _WRONG.values()]
        happened = (self.kills, self.lost, self.frozen, self.jumps, self.failed)
        came = (self.jobs, self.replaced, self.skipped, self.missed, self.not_owed)
        return not any(wrong) and min(*came, *happened) > 0

    def summary(self) -> dict[str, Any]:
        """For the record."""
        return {**asdict(self), "sound": self.sound}


async def run(schedules: int, *, seed: int, within: float, days: int = 365, chances: Chances | None = None) -> Verdict:
    """Raises TimeoutError when the year has not ended after `within` seconds."""
    with RedisServer() as redis:
        link = Link(parse_target(redis.url))
        try:
            async with asyncio.timeout(within):
                return await _Year(
                    link, schedules, days * DAY, random.Random(seed), chances or Chances.among(schedules)
                ).run()
        finally:
            await link.close()


class _Year:
    def __init__(self, link: Link, schedules: int, year_ms: int, chance: random.Random, chances: Chances) -> None:
        self._driver = QueueDriver(link)
        self._chance = chance
        self._end_ms = YEAR_BEGINS + year_ms
        self._time = VirtualTime(self._driver, YEAR_BEGINS, chance)
        self._chances = chances
        self._all = [make_subject(number, chance, year_ms) for number in range(schedules)]
        self._there_are: Mapping[str, Stated] = {}
        days = (YEAR_BEGINS - 3 * DAY, self._end_ms + 2 * END)
        self._ledger = Ledger({one.uid: Book(one.uid, one.created_ms, KEPT, days) for one in self._all})
        self._diary = Diary(self._ledger)
        takes_ms = {one.uid: one.takes_ms for one in self._all}
        self._worker = YearWorker(self._driver, chance, self._diary, takes_ms)
        self._happened: Counter[str] = Counter()

    async def run(self) -> Verdict:
        begun = time.monotonic()
        self._driver.now_us = 0
        await self._tell_redis()
        await self._driver.join(SID, lease_ms=10 * 365 * DAY)
        operators = [VirtualOperator(number, self._link(), lambda: self._there_are) for number in range(OPERATORS)]
        lives = [*(one.live() for one in operators), self._work(), self._jump(), self._meddle()]
        with self._time.own_clocks():
            tasks = await self._time.begin(lives)
            await self._time.run(self._end_ms)
            await self._end([one.link for one in operators])
        for task in tasks:
            assert not task.done(), task.exception()
            task.cancel()
        await asyncio.wait(tasks)
        return await self._judge(time.monotonic() - begun)

    def _link(self) -> FaultyLink:
        return FaultyLink(self._time, self._driver, self._chance, self._chances, self._happened, self._diary)

    async def _tell_redis(self) -> None:
        for command in self._time.telling_redis():
            await self._driver.link.request(*command)

    async def _work(self) -> None:
        while True:
            await self._time.until(self._time.now_ms + self._chance.randrange(40 * MINUTE))
            await self._tell_redis()
            await self._worker.work(self._time.now_ms)

    async def _jump(self) -> None:
        """Redis's machine gets another idea of the time, and is put right."""
        while True:
            await self._time.until(self._time.now_ms + self._chance.randrange(10 * DAY))
            self._time.jump_ms = self._chance.choice((-HOUR, HOUR))
            self._happened["jumps"] += 1
            await self._time.until(self._time.now_ms + self._chance.randrange(12 * HOUR))
            self._time.jump_ms = 0

    async def _meddle(self) -> None:
        """Objects are made, changed and deleted."""
        changes = [(at_ms, one.uid, one, spec) for one in self._all for at_ms, spec in one.specs]
        ends = [(one.ends_ms, one.uid, one, None) for one in self._all]
        for at_ms, uid, subject, spec in sorted([*changes, *ends], key=lambda change: change[:2]):
            if at_ms >= self._end_ms:
                break
            await self._time.until(at_ms)
            if spec is not None:
                self._there_are = {**self._there_are, uid: Stated(terms_of(subject, spec), spec)}
                continue
            self._there_are = {name: one for name, one in self._there_are.items() if name != uid}
            found = await self._record(uid)
            self._ledger.forgotten(uid, found, self._time.now_ms)
            await self._driver.run("forget_schedule", uid)
        await self._time.until(self._end_ms + YEAR)

    async def _record(self, uid: str) -> Record:
        await self._tell_redis()
        (found,) = await self._driver.run("look_schedules", uid)
        return read_record(found)

    async def _end(self, links: Sequence[FaultyLink]) -> None:
        """Nothing goes wrong any more: what is owed is made up for, and what was begun is brought to its end."""
        for link in links:
            link.chances = Chances(killed=0, lost=0, late=0, frozen=0)
        await self._time.run(self._end_ms + DAY)
        self._time.jump_ms = 0
        self._worker.at_ease = True
        await self._time.run(self._end_ms + END)
        await self._tell_redis()
        await self._worker.work(self._time.now_ms)
        self._ledger.close({uid: await self._record(uid) for uid in self._there_are}, self._time.now_ms)

    async def _judge(self, seconds: float) -> Verdict:
        found, fates = self._ledger.mistakes, self._ledger.fates
        cancelled = (await self._driver.stats()).cancelled
        if cancelled != self._ledger.called_off:
            found.append((Mistake.COUNT, f"{cancelled} jobs were called off, not {self._ledger.called_off}"))
        wrong = Counter(_WRONG[kind] for kind, _ in found)
        return Verdict(
            schedules=len(self._all),
            operators=OPERATORS,
            days=(self._end_ms - YEAR_BEGINS) // DAY,
            ticks=fates.total(),
            jobs=fates[Fate.JOB],
            replaced=fates[Fate.REPLACED],
            skipped=fates[Fate.SKIPPED],
            missed=fates[Fate.MISSED],
            not_owed=fates[Fate.NOT_OWED],
            **{name: wrong[name] for name in _WRONG.values()},
            failed=self._ledger.turns[Turn.RETRY],
            dead=self._ledger.turns[Turn.BURIED],
            calls=self._happened["calls"],
            kills=self._happened["kills"],
            lost=self._happened["lost"],
            frozen=self._happened["frozen"],
            jumps=self._happened["jumps"],
            seconds=round(seconds, 1),
            first_mistakes=tuple(words for _, words in found[:SHOWN]),
        )
