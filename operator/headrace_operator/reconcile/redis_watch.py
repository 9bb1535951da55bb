"""One Redis: reads the numbers of all queues there in one pipeline, again and again, and says what changed.

Owns the one connection that everything about this Redis goes through, and one more that listens to signals. A server
that doesn't answer makes its own queues unknown and delays nobody else.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing, suppress
from time import monotonic

from headrace.admin.queue_admin import QueueAdmin, stats_many
from headrace.contract.stats import QueueStats
from headrace.errors import HeadraceError
from headrace.wire.link import Link
from headrace.wire.subscription import Lost, Message, Subscribed, subscribe
from headrace.wire.target import Target
from headrace_operator.api.names import QueueKey
from headrace_operator.core.skew import mismatch
from headrace_operator.reconcile.audits import Audited, Audits
from headrace_operator.reconcile.reading import Reading
from headrace_operator.reconcile.settings import ReconcileSettings
from headrace_operator.reconcile.trouble import explain

_SETTLE = 0.05
"""Pause after a change of the list of queues, so that a thousand new ones mean a few subscriptions."""
_FIRST_LOOK = 3.0
"""Times the timeout of one call: to connect, to log in, to read."""
_SOONEST = 0.02
"""Least pause between two reads."""

_LAST_READS = 3
"""The quickest of them says how much reading costs."""

Tell = Callable[[], None]


class RedisWatch:
    """Made for one target, followed by WorkerQueues; `run` until cancelled."""

    def __init__(self, target: Target, settings: ReconcileSettings) -> None:
        self._target = target
        self._settings = settings
        self._link = Link(target, name="headrace-operator", timeout=settings.redis_timeout)
        self._followers: dict[str, dict[QueueKey, Tell]] = {}
        self._readings: dict[str, Reading] = {}
        self._resting: set[str] = set()
        self._audits = Audits(
            target.redacted, lambda queue: self.admin(queue).audit, self._readable, settings.audit_every
        )
        self._took: deque[float] = deque(maxlen=_LAST_READS)
        self._look = asyncio.Event()
        self._listed = asyncio.Event()
        self._just_read = asyncio.Event()

    def follow(self, queue: str, key: QueueKey, tell: Tell) -> None:
        """Read `queue` from now on, and call `tell` after each change."""
        if queue not in self._followers:
            self._followers[queue] = {}
            self._listed.set()
            self._look.set()
        self._followers[queue][key] = tell

    def leave(self, queue: str, key: QueueKey) -> None:
        """The end of `follow`."""
        followers = self._followers.get(queue, {})
        followers.pop(key, None)
        if queue in self._followers and not followers:
            del self._followers[queue]
            self._readings.pop(queue, None)
            self._resting.discard(queue)
            self._audits.forget(queue)
            self._listed.set()

    @property
    def unused(self) -> bool:
        """Nobody follows any queue."""
        return not self._followers

    def reading(self, queue: str) -> Reading:
        """What was last read."""
        return self._readings.get(queue, Reading())

    def audited(self, queue: str) -> Audited | None:
        """What audits know of it."""
        return self._audits.of(queue)

    async def first_look(self, queues: Sequence[str]) -> None:
        """Wait until each of them was read once, or could not be; not for long where a server gives no sign."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_FIRST_LOOK * self._settings.redis_timeout):
                while any(queue not in self._readings for queue in queues):
                    await self._just_read.wait()

    def admin(self, queue: str) -> QueueAdmin:
        """Operations on one queue, over this watch's connection."""
        return QueueAdmin(self._link, queue)

    def let_rest(self, queue: str, resting: bool) -> None:
        """Whether `queue` has no workers, so that it is marked asleep and the next enqueue sends a signal."""
        if not resting:
            self._resting.discard(queue)
        elif queue not in self._resting:
            self._resting.add(queue)
            self._look.set()

    async def run(self) -> None:
        """Watch until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._keep_reading())
                if self._settings.audit_every:
                    group.create_task(self._audits.run())
                await self._keep_listening(group)
        finally:
            await self._link.close()

    async def _keep_reading(self) -> None:
        while True:
            self._look.clear()
            began = monotonic()
            answered = await self._read()
            ended = monotonic()
            least = self._least_pause(ended - began) if answered else _SOONEST
            pause = max(least, min(self._pause(), self._until_due()))
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._look.wait()
                await asyncio.sleep(max(_SOONEST, ended + least - monotonic()))

    def _least_pause(self, took: float) -> float:
        """After a read that took so long. One that waited in vain says nothing of the load that reading makes, and a
        single slow one no more: it would put off the next wake-up by seconds.
        """
        self._took.append(took)
        return min(max(_SOONEST, min(self._took) / self._settings.reading_share), self._settings.poll_slowest)

    def _pause(self) -> float:
        busy = any(reading.busy for reading in self._readings.values())
        return self._settings.poll_busy if busy else self._settings.poll

    def _until_due(self) -> float:
        times = [reading.due_at for reading in self._readings.values()]
        return min((at - monotonic() for at in times if at is not None), default=self._settings.poll)

    async def _read(self) -> bool:
        """Whether the numbers of any queue could be read."""
        queues = list(self._followers)
        if not queues:
            return False
        try:
            found: Mapping[str, QueueStats | HeadraceError] = await stats_many(self._link, queues, primary_only=True)
        except HeadraceError as error:
            found = dict.fromkeys(queues, error)
        now = monotonic()
        for queue, stats in found.items():
            self._keep(queue, await self._complete(queue, stats, now))
        self._just_read.set()
        self._just_read = asyncio.Event()
        return any(isinstance(stats, QueueStats) for stats in found.values())

    async def _complete(self, queue: str, stats: QueueStats | HeadraceError, now: float) -> Reading:
        """The reading with what only some queues need a further call for."""
        if isinstance(stats, HeadraceError):
            return Reading(explain(stats), read_at=now)
        if (beyond_us := mismatch(stats)) is not None:
            return Reading(beyond_us, read_at=now)
        try:
            if queue in self._resting and not stats.asleep and stats.demand == 0:
                awake = not await self.admin(queue).control.sleep()
                # What came in between is seen by the next read, which is due at once.
                if awake:
                    self._look.set()
            return Reading(stats, await self._reasons(queue, stats), now)
        except HeadraceError as error:
            return Reading(explain(error), read_at=now)

    async def _reasons(self, queue: str, stats: QueueStats) -> Mapping[str, int]:
        if not stats.dead:
            return {}
        last = self.reading(queue)
        if isinstance(last.stats, QueueStats) and last.stats.dead == stats.dead:
            return last.dead_by_reason
        counts: dict[str, int] = {}
        for facet in await self.admin(queue).dead_letters.facets():
            counts[facet.reason] = counts.get(facet.reason, 0) + facet.count
        return counts

    def _readable(self) -> list[str]:
        return [queue for queue, reading in self._readings.items() if isinstance(reading.stats, QueueStats)]

    def _keep(self, queue: str, reading: Reading) -> None:
        if queue not in self._followers:
            return
        before = self.reading(queue)
        self._readings[queue] = reading
        if reading.tells_more_than(before):
            for tell in list(self._followers[queue].values()):
                tell()

    async def _keep_listening(self, group: asyncio.TaskGroup) -> None:
        while True:
            self._listed.clear()
            channels = [self.admin(queue).control.signal_channel for queue in self._followers]
            listening = group.create_task(self._listen(channels)) if channels else None
            await self._listed.wait()
            await asyncio.sleep(_SETTLE)
            if listening is not None:
                listening.cancel()

    async def _listen(self, channels: list[str]) -> None:
        async with aclosing(subscribe(self._target, channels)) as heard:
            async for event in heard:
                match event:
                    case Message() | Subscribed():
                        self._look.set()
                    case Lost():
                        pass  # the reads notice by themselves, and polling goes on
