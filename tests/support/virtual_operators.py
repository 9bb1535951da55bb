"""Operators that fire schedules in virtual time on a real server: killed between any two calls, frozen in the middle of
one decision, their calls and answers lost, while Redis's clock jumps.

One step is taken at a time: up to a call's way to Redis or its way back. Which operator takes it, and when, is a matter
of one random source, so that a run can be told again.
"""

from __future__ import annotations

import asyncio
import heapq
import random
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from headrace.admin.handle import QueueHandle
from headrace.admin.schedules import Schedules
from headrace.errors import QueueUnavailableError
from headrace.wire.connection import Argument
from headrace.wire.link import Link
from headrace_operator.reconcile.ticking import Terms, fire_due
from support.queue_driver import QueueDriver

SECOND, MINUTE, HOUR, DAY = 1000, 60_000, 3_600_000, 86_400_000
LONGEST_WAIT = DAY


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
    _shas: dict[str, bytes] = field(default_factory=dict)

    async def run(self, name: str, prefix: str, *args: Any, timeout: float | None = None) -> Any:
        await self._on_the_way()
        reply = await self._execute(name, prefix, *args)
        self.happened["calls"] += 1
        await self._on_the_way()
        return reply

    async def _on_the_way(self) -> None:
        dice, of = self.chance.random(), self.chances
        if dice < of.killed:
            self.happened["kills"] += 1
            raise KilledError
        if dice < of.killed + of.lost:
            self.happened["lost"] += 1
            raise QueueUnavailableError("lost")
        if dice < of.killed + of.lost + of.late:
            await self.time.until(self.time.now_ms + self.chance.randrange(20 * SECOND))
        elif dice < of.killed + of.lost + of.late + of.frozen:
            self.happened["frozen"] += 1
            await self.time.until(self.time.now_ms + self.chance.randrange(3 * HOUR))
        elif dice > 0.8:  # somebody else goes first
            await self.time.until(self.time.now_ms)

    async def _execute(self, name: str, prefix: str, *args: Any) -> Any:
        link = self.driver.link
        if name not in self._shas:
            self._shas[name] = await link.request("SCRIPT", "LOAD", self.driver._source(name))
        replies = await link.pipeline([*self.time.telling_redis(), ("EVALSHA", self._shas[name], 1, prefix, *args)])
        return replies[-1]


@dataclass
class VirtualOperator:
    """One of several that all believe to be the leader."""

    link: FaultyLink
    schedules: Callable[[], Mapping[str, Terms]]
    """Those that there are by now, by uid; another object when there are others."""

    async def live(self) -> None:
        """Begin, be killed, begin again: until cancelled."""
        time, chance = self.link.time, self.link.chance
        while True:
            await time.until(time.now_ms + chance.randrange(10 * SECOND))
            try:
                await self._operate()
            except KilledError:
                downtime = chance.choice((10 * SECOND, MINUTE, 20 * MINUTE, 2 * HOUR))
                await time.until(time.now_ms + chance.randrange(downtime))

    async def _operate(self) -> None:
        time, chance = self.link.time, self.link.chance
        schedules = Schedules(QueueHandle(cast("Link", self.link), self.link.driver.queue))
        due: list[tuple[int, float, Terms]] = []
        known: Mapping[str, Terms] = {}
        while True:
            there_are = self.schedules()
            if there_are is not known:
                for uid in there_are.keys() - known.keys():
                    heapq.heappush(due, (time.now_ms, chance.random(), there_are[uid]))
                known = there_are
            if not due or due[0][0] > time.now_ms:
                await time.until(min(due[0][0], time.now_ms + HOUR) if due else time.now_ms + HOUR)
                continue
            _, _, terms = heapq.heappop(due)
            wait = await self._tick(schedules, terms)
            if terms.uid in known:  # what is gone is looked at once more: word of it comes late
                heapq.heappush(due, (time.now_ms + wait, chance.random(), terms))

    async def _tick(self, schedules: Schedules, terms: Terms) -> int:
        """Ms until it is to be looked at again."""
        try:
            ticked = await fire_due(schedules, terms)
        except QueueUnavailableError:
            return self.link.chance.randrange(10 * SECOND)
        wait = LONGEST_WAIT if ticked.wait_ms is None else min(ticked.wait_ms, LONGEST_WAIT)
        return wait + self.link.chance.choice((0, 0, self.link.chance.randrange(5 * SECOND)))
