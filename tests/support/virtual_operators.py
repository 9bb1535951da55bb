"""Operators that fire schedules in virtual time on a real server: killed between any two calls, frozen in the middle of
one decision, their calls and answers lost, their own clocks wrong, while Redis's clock jumps. All of it is noted.

One step is taken at a time: up to a call's way to Redis or its way back. Which operator takes it, and when, is a matter
of one random source, so that a run can be told again.
"""

from __future__ import annotations

import asyncio
import heapq
import random
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, cast
from unittest import mock

from headrace.admin.handle import QueueHandle
from headrace.admin.schedules import Schedules
from headrace.errors import QueueUnavailableError
from headrace.wire.commands import Argument
from headrace.wire.link import Link
from headrace_operator.reconcile.ticking import Terms, count_missed, fire_due
from support.operator_diary import Diary, Ending, Life, Look, read_answer
from support.queue_driver import QueueDriver
from support.schedule_spec import Spec

SECOND, MINUTE, HOUR, DAY = 1000, 60_000, 3_600_000, 86_400_000
LONGEST_WAIT = DAY
_ahead_ms: ContextVar[int] = ContextVar("_ahead_ms", default=0)
"""How wrong the clock is of whoever runs."""


class KilledError(Exception):
    """kill -9: nothing of the operator's goes on, whatever it waited for."""


@dataclass(frozen=True)
class Chances:
    """Of each step on the way of a call."""

    killed: float = 0.002
    lost: float = 0.01
    """The call on its way, or its answer."""
    late: float = 0.02
    """By seconds."""
    frozen: float = 0.0005
    """For up to three hours."""

    @classmethod
    def among(cls, schedules: int) -> Chances:
        """So that an operator mostly lives to look at all of them, or none of it would be a test of who fires first."""
        return cls(killed=min(cls.killed, 0.06 / schedules), frozen=min(cls.frozen, 0.02 / schedules))


class VirtualTime:
    """Lets one sleeper go on at a time, in the order of their times; those of one time in a random order."""

    def __init__(self, driver: QueueDriver, start_ms: int, chance: random.Random) -> None:
        self.now_ms = start_ms
        self.jump_ms = 0
        """How far Redis's clock is wrong."""
        self._driver = driver
        self._chance = chance
        self._sleepers: list[tuple[int, float, asyncio.Future[None]]] = []
        self._awake = 0
        self._all_asleep = asyncio.Event()

    async def until(self, at_ms: int) -> None:
        """Sleep."""
        wake: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (max(at_ms, self.now_ms), self._chance.random(), wake))
        self._awake -= 1
        self._all_asleep.set()
        await wake

    async def begin(self, sleepers: Sequence[Coroutine[Any, Any, None]]) -> list[asyncio.Task[None]]:
        """Their tasks, each of them asleep by `until`."""
        tasks = []
        for one in sleepers:
            self._awake += 1
            self._all_asleep.clear()
            tasks.append(asyncio.create_task(one))
            await self._all_asleep.wait()
        return tasks

    async def run(self, until_ms: int) -> None:
        """Let time pass."""
        while self._sleepers and self._sleepers[0][0] <= until_ms:
            self.now_ms, _, wake = heapq.heappop(self._sleepers)
            self._awake += 1
            self._all_asleep.clear()
            wake.set_result(None)
            await self._all_asleep.wait()

    @contextmanager
    def own_clocks(self) -> Iterator[None]:
        """Within the block everybody's `time.time` is of this time, an operator's as wrong as it is."""
        with mock.patch.object(time, "time", self._own_time):
            yield

    def _own_time(self) -> float:
        return (self.now_ms + _ahead_ms.get()) / 1000

    def telling_redis(self) -> list[tuple[Argument, ...]]:
        """What is to be sent before a call, so that it finds this time; nothing if Redis knows it."""
        us = (self.now_ms + self.jump_ms) * 1000
        return [] if us == self._driver.now_us else [self._driver.clock_set_to(us)]


@dataclass
class FaultyLink:
    """What an operator reaches Redis by."""

    time: VirtualTime
    driver: QueueDriver
    chance: random.Random
    chances: Chances
    happened: Counter[str]
    diary: Diary
    look: Look | None = None
    """That is going on."""
    _shas: dict[str, bytes] = field(default_factory=dict)

    async def run(self, name: str, prefix: str, *args: Any, timeout: float | None = None) -> Any:
        assert self.look is not None
        await self._on_the_way(self.look.life)
        reply = await self._execute(name, prefix, *args)
        self.happened["calls"] += 1
        self.diary.reader.called(args[0], self.look, name, self.driver.now_ms, read_answer(reply))
        await self._on_the_way(self.look.life)
        return reply

    async def _on_the_way(self, life: Life) -> None:
        dice, of = self.chance.random(), self.chances
        if dice < of.killed:
            self.happened["kills"] += 1
            raise KilledError
        if dice < of.killed + of.lost:
            self.happened["lost"] += 1
            raise QueueUnavailableError("lost")
        if dice < of.killed + of.lost + of.late:
            await self._sleep(life, self.chance.randrange(20 * SECOND))
        elif dice < of.killed + of.lost + of.late + of.frozen:
            self.happened["frozen"] += 1
            await self._sleep(life, self.chance.randrange(3 * HOUR))
        elif dice > 0.8:  # somebody else goes first
            await self.time.until(self.time.now_ms)

    async def _sleep(self, life: Life, ms: int) -> None:
        life.slept_ms += ms
        await self.time.until(self.time.now_ms + ms)

    async def _execute(self, name: str, prefix: str, *args: Any) -> Any:
        link = self.driver.link
        if name not in self._shas:
            self._shas[name] = await link.request("SCRIPT", "LOAD", self.driver._source(name))
        replies = await link.pipeline([*self.time.telling_redis(), ("EVALSHA", self._shas[name], 1, prefix, *args)])
        return replies[-1]


@dataclass(frozen=True)
class Stated:
    """A Schedule's object, as it stands now."""

    terms: Terms
    spec: Spec
    """The same without headrace's types."""


@dataclass
class VirtualOperator:
    """One of several that all believe to be the leader."""

    number: int
    link: FaultyLink
    schedules: Callable[[], Mapping[str, Stated]]
    """Those that there are by now, by uid; another object when there are others."""

    async def live(self) -> None:
        """Begin, be killed, begin again: until cancelled."""
        time, chance = self.link.time, self.link.chance
        while True:
            await time.until(time.now_ms + chance.randrange(10 * SECOND))
            ahead_ms = chance.choice((0, 0, chance.randrange(-2 * HOUR, 2 * HOUR)))
            _ahead_ms.set(ahead_ms)
            life = self.link.diary.begin(self.number, time.now_ms, ahead_ms)
            try:
                await self._operate(life)
            except KilledError:
                life.ended_ms = time.now_ms
                downtime = chance.choice((10 * SECOND, MINUTE, 20 * MINUTE, 2 * HOUR))
                await time.until(time.now_ms + chance.randrange(downtime))

    async def _operate(self, life: Life) -> None:
        time, chance = self.link.time, self.link.chance
        schedules = Schedules(QueueHandle(cast("Link", self.link), self.link.driver.queue))
        due: list[tuple[int, float, str]] = []
        known: Mapping[str, Stated] = {}
        when: dict[str, int] = {}
        while True:
            there_are = self.schedules()
            if there_are is not known and chance.random() < 0.7:  # else word comes late
                for uid in there_are:
                    if known.get(uid) is not there_are[uid]:
                        when[uid] = time.now_ms
                        heapq.heappush(due, (time.now_ms, chance.random(), uid))
                known = there_are
            if not due or due[0][0] > time.now_ms:
                await time.until(min(due[0][0], time.now_ms + HOUR) if due else time.now_ms + HOUR)
                continue
            at_ms, _, uid = heapq.heappop(due)
            if uid not in known or when[uid] != at_ms:
                continue
            when[uid] = time.now_ms + await self._look(life, schedules, known[uid])
            heapq.heappush(due, (when[uid], chance.random(), uid))

    async def _look(self, life: Life, schedules: Schedules, stated: Stated) -> int:
        """Ms until it is to be looked at again."""
        uid, chance, diary = stated.terms.uid, self.link.chance, self.link.diary
        self.link.look = look = diary.look(life, uid, stated.spec, self.link.time.now_ms)
        wait, how = 0, Ending.KILLED
        try:
            wait, how = await self._tick(schedules, stated)
        except QueueUnavailableError:
            wait, how = chance.randrange(10 * SECOND), Ending.LOST
        finally:
            diary.reader.ended(uid, look, how, self.link.time.now_ms)
        return wait

    async def _tick(self, schedules: Schedules, stated: Stated) -> tuple[int, Ending]:
        chance = self.link.chance
        if stated.spec.broken:
            await count_missed(schedules, stated.terms)
            return chance.randrange(6 * HOUR), Ending.ANSWERED
        ticked = await fire_due(schedules, stated.terms)
        wait = LONGEST_WAIT if ticked.wait_ms is None else min(ticked.wait_ms, LONGEST_WAIT)
        wait += chance.choice((0, 0, chance.randrange(5 * SECOND)))
        return wait, Ending.OVERTAKEN if ticked.again else Ending.ANSWERED
