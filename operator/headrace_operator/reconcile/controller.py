"""Runs the loop for many WorkerQueues: one task each, so that none waits for another, and no error leaves its own."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping

from headrace.errors import HeadraceError
from headrace_operator.api.names import QueueKey
from headrace_operator.core.version import version_hash
from headrace_operator.reconcile.addresses import Addresses
from headrace_operator.reconcile.listener import Listener, Look
from headrace_operator.reconcile.pace import Pace
from headrace_operator.reconcile.reconcile import reconcile
from headrace_operator.reconcile.record import Record
from headrace_operator.reconcile.settings import ReconcileSettings
from headrace_operator.reconcile.watches import Watches
from headrace_operator.reconcile.world import VersionOf, World
from headrace_operator.seams.objects import Change, Deleted, Objects
from headrace_operator.seams.runtime import Runtime

log = logging.getLogger(__name__)


class Controller:
    """`run` until cancelled. Events come in by Objects' subscription and `wake`; everything else is level-based."""

    def __init__(
        self,
        runtime: Runtime,
        objects: Objects,
        addresses: Addresses,
        settings: ReconcileSettings | None = None,
        *,
        version_of: VersionOf = version_hash,
        now: Callable[[], float] = time.time,
        listener: Listener | None = None,
        fence: Callable[[], None] | None = None,
    ) -> None:
        """`fence` is called before each reconcile, and raises a HeadraceError where another process may do it."""
        self._runtime = runtime
        self._objects = objects
        self._addresses = addresses
        self._settings = settings or ReconcileSettings()
        self._version_of = version_of
        self._now = now
        self._listener = listener or Listener()
        self._fence = fence
        self._records: dict[QueueKey, Record] = {}

    @property
    def records(self) -> Mapping[QueueKey, Record]:
        """What is known of each WorkerQueue; for reading."""
        return self._records

    def wake(self, key: QueueKey | None = None) -> None:
        """Look at that WorkerQueue now, or at all: its workers have changed, or its code. From the loop's thread."""
        for record in [self._records.get(key)] if key else self._records.values():
            if record is not None:
                record.wake.set()

    async def run(self) -> None:
        """Until cancelled. Leaves workers and ownership as they are: another leader takes over."""
        async with asyncio.TaskGroup() as group:
            world = World(
                self._runtime,
                self._objects,
                self._addresses,
                self._settings,
                Watches(group, self._settings),
                self._version_of,
                self._now,
                self._listener,
            )
            self._objects.subscribe(lambda change: self._hear(change, world, group))
            await asyncio.Event().wait()

    def _hear(self, change: Change, world: World, group: asyncio.TaskGroup) -> None:
        record = self._records.get(change.key)
        if record is None:
            if isinstance(change, Deleted):
                return
            record = self._records[change.key] = Record(change.key)
            record.hear(change)
            group.create_task(self._tend(record, world, group))
            return
        record.hear(change)

    async def _tend(self, record: Record, world: World, group: asyncio.TaskGroup) -> None:
        """One WorkerQueue, from its first sight to its last trace."""
        failures = 0
        while True:
            record.wake.clear()
            record.take_in()
            began = time.monotonic()
            try:
                if self._fence is not None:
                    self._fence()
                async with asyncio.timeout(self._settings.reconcile_timeout):
                    next_look = await reconcile(record, world, group)
                failures = 0
            except (HeadraceError, TimeoutError) as error:
                failures += 1
                log.warning("%s: %s; trying again", record.key, str(error) or "took too long")
                next_look = self._after(failures)
            except Exception:
                failures += 1
                log.exception("%s: reconcile failed; trying again", record.key)
                next_look = self._after(failures)
            gone = next_look.gone and not record.has_news
            self._listener.looked(Look(record.key, time.monotonic() - began, failed=failures > 0, gone=gone))
            if gone:
                del self._records[record.key]
                return
            await self._wait(record, next_look, failures)

    def _after(self, failures: int) -> Pace:
        return Pace(min(self._settings.retry_base * 2 ** min(failures - 1, 10), self._settings.retry_cap))

    async def _wait(self, record: Record, next_look: Pace, failures: int) -> None:
        if failures:
            # What is heard meanwhile must not turn a failure into a busy loop.
            await asyncio.sleep(min(next_look.seconds, self._settings.retry_base))
        try:
            async with asyncio.timeout(next_look.seconds):
                await record.wake.wait()
        except TimeoutError:
            return
