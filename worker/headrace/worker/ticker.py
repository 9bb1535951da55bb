"""Plans the ticks of a queue's periodic tasks, one ahead of the clock, by plan.lua: any number of workers may ask.

Goes by the Redis clock alone; between looks it counts on this machine's steady clock. A planned tick is an ordinary
scheduled job, so it outlives every worker, wakes a fleet at zero, and runs like any other.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from typing import Final, assert_never

from headrace.brokers.protocol import Broker
from headrace.client.periodic import Periodic
from headrace.client.schedule import tick_id
from headrace.contract.stats import PlannedTick
from headrace.errors import HeadraceError, QueueUnavailableError
from headrace.wire.errors import ServerError
from headrace.worker.log import Log
from headrace.worker.ticks import Plan, Wait, decide

POLL: Final = 15.0
"""Seconds between looks when no tick is nearer."""
PAUSE: Final = 1.0
"""Seconds after a look that Redis did not answer."""
TRIES: Final = 5
"""A look that others overtake so often is left to them."""


class Ticker:
    """One queue's. `begin` before the worker's first claim, then `run`."""

    def __init__(self, queue: str, periodic: Mapping[str, Periodic], broker: Broker, log: Log) -> None:
        self._queue = queue
        self._periodic = periodic
        self._broker = broker
        self._log = log

    async def begin(self) -> None:
        """Repair the plan: what was missed while nobody was here. A Redis that is away is left to `run`."""
        try:
            await self.look(starting=True)
        except (HeadraceError, ServerError) as error:
            self._log.warning("could not plan the periodic tasks; trying again", queue=self._queue, error=str(error))

    async def run(self) -> None:
        """Plan each tick when the one before is due; for ever."""
        while True:
            try:
                pause = await self.look(starting=False)
            except (HeadraceError, ServerError) as error:
                self._log.warning(
                    "could not plan the periodic tasks; trying again", queue=self._queue, error=str(error)
                )
                pause = PAUSE * (0.5 + random.random())
            await asyncio.sleep(pause)

    async def look(self, *, starting: bool) -> float:
        """Plan what is to be planned; seconds until the next tick. Raises QueueUnavailableError."""
        return min([await self._look_at(periodic, starting=starting) for periodic in self._periodic.values()])

    async def _look_at(self, periodic: Periodic, *, starting: bool) -> float:
        """A task that can't be planned is no other task's matter."""
        try:
            return await self._plan(periodic, starting=starting)
        except QueueUnavailableError:
            raise
        except HeadraceError as error:
            self._log.warning(
                "could not plan a periodic task; trying again",
                queue=self._queue,
                task=periodic.task.name,
                error=str(error),
            )
            return PAUSE

    async def _plan(self, periodic: Periodic, *, starting: bool) -> float:
        task, schedule = periodic.task, periodic.schedule
        now_ms, seen, _ = await self._broker.plan(self._queue, task.name, None, None, "", ())
        for _ in range(TRIES):
            try:
                decision = decide(schedule, seen, now_ms, deadline_ms=periodic.deadline_ms, starting=starting)
            except StopIteration:
                return POLL  # the expression names no later time
            match decision:
                case Wait(until):
                    return min(max(until - now_ms, 1) / 1000, POLL)
                case Plan(ticks, call_off, reason):
                    due = PlannedTick(due_ms=ticks[-1], schedule=schedule.text)
                    standing = "" if call_off is None else tick_id(task.name, call_off)
                    entries = [task.tick(tick) for tick in ticks]
                    now_ms, seen, planned = await self._broker.plan(
                        self._queue, task.name, seen, due, standing, entries
                    )
                    if planned and reason != "followed":
                        self._log.info("ticks planned", queue=self._queue, task=task.name, why=reason, ticks=len(ticks))
                case _:
                    assert_never(decision)
        return PAUSE
