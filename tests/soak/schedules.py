"""Schedules for a simulated year, fired by two operators that are killed, frozen and cut off while Redis's clock
jumps by an hour: exactly one job per due tick, by a ledger that knows nothing of headrace.

Time is virtual, the scripts and the server are real. The ledger: which jobs a worker got, against the ticks that a walk
over every minute of the year finds.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, cast

from headrace.admin.queue_admin import QueueAdmin
from headrace.admin.schedules import Concurrency, ScheduleRecord
from headrace.wire.link import Link
from headrace.wire.target import parse_target
from headrace_operator.reconcile.ticking import Terms
from soak.schedule_book import Book
from soak.schedule_kinds import YEAR, YEAR_BEGINS, ends_ms, make_terms
from support.held_link import HeldLink
from support.queue_driver import QueueDriver
from support.servers import RedisServer
from support.virtual_operators import DAY, HOUR, MINUTE, Chances, FaultyLink, VirtualOperator, VirtualTime

OPERATORS: Final = 2


@dataclass(frozen=True)
class Verdict:
    """What a year came to."""

    schedules: int
    operators: int
    days: int
    ticks: int
    """Due, by the ledger, of all schedules."""
    jobs: int
    """That a worker got."""
    replaced: int
    skipped: int
    missed: int
    duplicates: int
    """Jobs beyond one per tick."""
    strangers: int
    """Jobs of ticks that the ledger doesn't know."""
    holes: int
    """Ticks of schedules that catch up with all, without a job or a record of why."""
    unexplained: int
    """Schedules whose jobs, replaced, skipped and missed ticks are not as many as their ticks."""
    calls: int
    kills: int
    lost: int
    frozen: int
    jumps: int
    seconds: float

    @property
    def sound(self) -> bool:
        """What `make soak` asserts."""
        wrong = (self.duplicates, self.strangers, self.holes, self.unexplained)
        return not any(wrong) and min(self.jobs, self.kills, self.lost, self.frozen, self.jumps) > 0

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
        self._all = [make_terms(number, chance, year_ms) for number in range(schedules)]
        self._there_are: Mapping[str, Terms] = {}
        self._records: dict[str, ScheduleRecord] = {}
        """Of each schedule at its end."""
        self._got: Counter[str] = Counter()
        """The ledger: job → how often a worker got it."""
        self._happened: Counter[str] = Counter()

    async def run(self) -> Verdict:
        begun = time.monotonic()
        self._driver.now_us = 0
        await self._tell_redis()
        await self._driver.join("w", lease_ms=10 * 365 * DAY)
        links = [self._link(self._chances) for _ in range(OPERATORS)]
        operators = [VirtualOperator(link, lambda: self._there_are) for link in links]
        tasks = await self._time.begin(
            [*(one.live() for one in operators), self._drain(), self._jump(), self._come_and_go()]
        )
        await self._time.run(self._end_ms)
        await self._end(links)
        for task in tasks:
            assert not task.done(), task.exception()
            task.cancel()
        await asyncio.wait(tasks)
        return await self._judge(time.monotonic() - begun)

    def _link(self, chances: Chances) -> FaultyLink:
        return FaultyLink(self._time, self._driver, self._chance, chances, self._happened)

    async def _tell_redis(self) -> None:
        for command in self._time.telling_redis():
            await self._driver.link.request(*command)

    async def _drain(self) -> None:
        """The worker."""
        while True:
            await self._time.until(self._time.now_ms + self._chance.randrange(40 * MINUTE))
            await self._drain_now()

    async def _drain_now(self) -> None:
        await self._tell_redis()
        while (got := await self._driver.exchange("w", 1000)).ids:
            self._got.update(got.ids)
            await self._driver.exchange("w", done=got.done)

    async def _jump(self) -> None:
        """Redis's machine gets another idea of the time, and is put right."""
        while True:
            await self._time.until(self._time.now_ms + self._chance.randrange(10 * DAY))
            self._time.jump_ms = self._chance.choice((-HOUR, HOUR))
            self._happened["jumps"] += 1
            await self._time.until(self._time.now_ms + self._chance.randrange(12 * HOUR))
            self._time.jump_ms = 0

    async def _come_and_go(self) -> None:
        """Objects are made and deleted."""
        changes = sorted(
            [(terms.created_ms, 0, terms.uid, terms) for terms in self._all]
            + [(ends_ms(terms, self._end_ms), 1, terms.uid, terms) for terms in self._all]
        )
        schedules = QueueAdmin(cast("Link", HeldLink(self._driver)), self._driver.queue).schedules
        for at_ms, gone, uid, terms in changes:
            await self._time.until(at_ms)
            if at_ms >= self._end_ms:
                continue
            if gone:
                await self._tell_redis()
                self._records[uid] = await schedules.look(uid)
                await schedules.forget(uid)
                self._there_are = {name: one for name, one in self._there_are.items() if name != uid}
            else:
                self._there_are = {**self._there_are, uid: terms}
        await self._time.until(self._end_ms + YEAR)

    async def _end(self, links: Sequence[FaultyLink]) -> None:
        """Nothing goes wrong any more: what is owed is made up for."""
        for link in links:
            link.chances = Chances(killed=0, lost=0, late=0, frozen=0)
        await self._time.run(self._end_ms + DAY)
        self._time.jump_ms = 0
        await self._time.run(self._end_ms + 2 * DAY)
        await self._drain_now()
        schedules = QueueAdmin(cast("Link", HeldLink(self._driver)), self._driver.queue).schedules
        for uid in self._there_are:
            self._records[uid] = await schedules.look(uid)

    async def _judge(self, seconds: float) -> Verdict:
        stats = await self._driver.stats()
        books = [
            Book(terms, self._records[terms.uid], self._got, deleted=terms.uid not in self._there_are)
            for terms in self._all
            if terms.uid in self._records
        ]
        known = {job for book in books for job in book.due}
        replacing = [book for book in books if book.terms.concurrency is Concurrency.REPLACE]
        return Verdict(
            schedules=len(books),
            operators=OPERATORS,
            days=(self._end_ms - YEAR_BEGINS) // DAY,
            ticks=sum(len(book.due) for book in books),
            jobs=sum(self._got.values()),
            replaced=stats.cancelled,
            skipped=sum(book.record.skipped for book in books),
            missed=sum(book.record.missed for book in books),
            duplicates=sum(times - 1 for times in self._got.values()),
            strangers=len(self._got.keys() - known),
            holes=sum(book.holes for book in books),
            unexplained=sum(not book.adds_up for book in books)
            + (sum(book.record.enqueued - len(book.got) for book in replacing) != stats.cancelled),
            calls=self._happened["calls"],
            kills=self._happened["kills"],
            lost=self._happened["lost"],
            frozen=self._happened["frozen"],
            jumps=self._happened["jumps"],
            seconds=round(seconds, 1),
        )
