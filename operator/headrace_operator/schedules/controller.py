"""Runs all Schedules: one task each, so that none waits for another's Redis, and no error leaves its own."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping

from headrace.errors import HeadraceError
from headrace_operator.api.names import QueueKey, ScheduleKey
from headrace_operator.api.schedule_status import ScheduleStatus
from headrace_operator.api.worker_queue import WorkerQueue
from headrace_operator.reconcile.addresses import Addresses
from headrace_operator.schedules.entry import Entry
from headrace_operator.schedules.look import Next, look
from headrace_operator.schedules.places import Places
from headrace_operator.schedules.settings import ScheduleSettings
from headrace_operator.schedules.world import ScheduleWorld
from headrace_operator.seams.objects import Applied, Change, Deleted, Objects, ScheduleChange, Schedules

log = logging.getLogger(__name__)


class ScheduleController:
    """`run` until cancelled. Level-based: everything is found again by whoever runs next."""

    def __init__(
        self,
        schedules: Schedules,
        objects: Objects,
        addresses: Addresses,
        settings: ScheduleSettings | None = None,
        *,
        now: Callable[[], float] = time.time,
        fence: Callable[[], None] | None = None,
        told: Callable[[ScheduleKey, ScheduleStatus], None] | None = None,
    ) -> None:
        """`fence` is called before each look, and raises a HeadraceError where another process may lead; `told` hears
        every status, written or not.
        """
        self._schedules, self._objects, self._addresses = schedules, objects, addresses
        self._settings = settings or ScheduleSettings()
        self._now, self._fence, self._told = now, fence or _anybody, told or _nobody
        self._entries: dict[ScheduleKey, Entry] = {}
        self._queues: dict[QueueKey, WorkerQueue] = {}

    @property
    def statuses(self) -> Mapping[ScheduleKey, ScheduleStatus]:
        """The last status of each, written or not."""
        return {key: entry.status for key, entry in self._entries.items() if entry.status is not None}

    async def run(self) -> None:
        """Until cancelled. Leaves what is in Redis as it is: another leader takes over."""
        began = time.monotonic()
        places = Places(self._settings.redis_timeout, self._settings.schemas)
        world = ScheduleWorld(
            schedules=self._schedules,
            queues=self._queues,
            settled=lambda: time.monotonic() - began >= self._settings.patience,
            addresses=self._addresses,
            places=places,
            settings=self._settings,
            now=self._now,
            fence=self._fence,
            told=self._told,
        )
        try:
            async with asyncio.TaskGroup() as group:
                self._objects.subscribe(self._hear_queue)
                self._schedules.subscribe(lambda change: self._hear(change, world, group))
                await asyncio.Event().wait()
        finally:
            await places.close()

    def _hear_queue(self, change: Change) -> None:
        """A WorkerQueue that makes no sense any more is as it was before; see Refused."""
        key = change.key
        match change:
            case Applied(queue):
                before = self._queues.get(key)
                self._queues[key] = queue
                if before is not None and before.spec == queue.spec:
                    return
            case Deleted():
                self._queues.pop(key, None)
            case _:
                return
        for entry in self._entries.values():
            named = entry.schedule.spec.worker_queue if entry.schedule else ""
            if QueueKey(entry.key.namespace, named) == key:
                entry.wake.set()

    def _hear(self, change: ScheduleChange, world: ScheduleWorld, group: asyncio.TaskGroup) -> None:
        entry = self._entries.get(change.key)
        if entry is None:
            if isinstance(change, Deleted):
                return
            entry = self._entries[change.key] = Entry(change.key)
            entry.hear(change)
            group.create_task(self._tend(entry, world))
            return
        entry.hear(change)

    async def _tend(self, entry: Entry, world: ScheduleWorld) -> None:
        """One Schedule, from its first sight to its last trace."""
        failures = 0
        while True:
            entry.wake.clear()
            entry.take_in()
            try:
                then = await look(entry, world)
            except HeadraceError as error:
                log.warning("%s: %s; trying again", entry.key, error)
                then = Next(self._settings.retry_base, failed=True)
            except Exception:
                log.exception("%s: its look failed; trying again", entry.key)
                then = Next(self._settings.retry_base, failed=True)
            if then.gone and not entry.has_news:
                del self._entries[entry.key]
                return
            failures = failures + 1 if then.failed else 0
            await self._wait(entry, then, failures)

    async def _wait(self, entry: Entry, then: Next, failures: int) -> None:
        seconds = then.seconds
        if failures:
            seconds = min(self._settings.retry_base * 2 ** min(failures - 1, 10), self._settings.retry_cap)
            # What is heard meanwhile must not turn a failure into a busy loop.
            await asyncio.sleep(min(seconds, self._settings.retry_base))
        try:
            async with asyncio.timeout(seconds):
                await entry.wake.wait()
        except TimeoutError:
            return


def _anybody() -> None:
    return


def _nobody(_key: ScheduleKey, _status: ScheduleStatus) -> None:
    return
