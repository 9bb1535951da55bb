"""Keeps a queue's session: joins, hears of its loss, begins anew, and mends what Redis has forgotten."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

from headrace.brokers.protocol import Broker
from headrace.errors import QueueUnavailableError
from headrace.wire.errors import ServerError
from headrace.worker.executor import Executor
from headrace.worker.outbox import Outbox
from headrace.worker.parts import Parts
from headrace.worker.renewal import Renewed
from headrace.worker.run import Stop
from headrace.worker.session import Session

LONGEST_PAUSE = 1.0
"""Seconds between tries while Redis can't be reached."""


class Keeper:
    """`session` is the present one; `joined` is set while Redis knows it."""

    def __init__(
        self,
        queue: str,
        parts: Parts,
        executor: Executor,
        outbox: Outbox,
        broker: Broker,
        under_way: Callable[[str, str], bool],
        rules: bytes = b"",
    ) -> None:
        """under_way: whether an unanswered exchange claims or settles this job under this claim; rules: see Session."""
        self.joined = asyncio.Event()
        self._queue = queue
        self._parts = parts
        self._executor = executor
        self._outbox = outbox
        self._broker = broker
        self._under_way = under_way
        self._wanted = asyncio.Event()
        self._unknown_leases: set[tuple[str, str]] = set()
        self._rules = rules
        self.session = self._new_session()

    def _new_session(self) -> Session:
        settings, pulse = self._parts.settings, self._parts.pulse
        return Session(self._queue, settings.lease, pulse, self._rules, self._executor.told)

    async def join(self) -> None:
        """The first word to Redis. Raises QueueUnavailableError or ProtocolError."""
        session = self.session
        await session.join(self._broker)
        if session is self.session:
            self.joined.set()

    def lose(self, session: Session) -> None:
        """The lease has ended: what runs here was given to others, so nothing of it may be settled."""
        if session is not self.session or session.lost:
            return
        session.lost = True
        self._parts.metrics.lease_losses += 1
        dropped = self._outbox.forget()
        self._parts.telemetry.log.warning(
            "the lease was lost; starting a new session",
            queue=self._queue,
            running=len(self._executor.running),
            dropped=dropped,
        )
        self._executor.stop_all(Stop.LOST)
        self.session = self._new_session()
        self.joined.clear()
        self._wanted.set()

    def hear(self, renewed: Renewed) -> None:
        """What the renewal thread was told."""
        if not renewed.live:
            if renewed.session.joined:  # one that has left in the meantime is not lost
                self.lose(renewed.session)
            return
        for job_id in renewed.cancelled:
            self._executor.stop_one(job_id, Stop.CANCEL)
        if renewed.session is self.session and renewed.leases > len(self._executor.running) + self._outbox.size:
            self._wanted.set()

    async def run(self) -> None:
        """Do what `lose` and `hear` have found to be needed; for ever."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            if self.joined.is_set():
                await self._reconcile()
            else:
                await self._join_again(self.session)

    async def _join_again(self, session: Session) -> None:
        pause = 0.05
        while session is self.session:
            try:
                await self.join()
            except (QueueUnavailableError, ServerError):
                await asyncio.sleep(pause * (0.5 + random.random()))
                pause = min(pause * 2, LONGEST_PAUSE)
            else:
                return

    async def _reconcile(self) -> None:
        """Leases that Redis counts and nobody here knows: their settlement was lost with Redis's last second, or they
        were never started. Seen twice under the same claim, they are settled as before, or given back. What an
        exchange may be about to tell is not unknown, however long its reply takes.
        """
        session = self.session
        try:
            claims = await self._broker.held(self._queue, session.sid)
        except (QueueUnavailableError, ServerError):
            return
        if session is not self.session:
            return
        unknown = {(job, claim) for job, claim in claims.items() if not self._knows(job, claim)}
        orphans, self._unknown_leases = unknown & self._unknown_leases, unknown
        for job_id, claim in orphans:
            known = self._outbox.find_sent(job_id, claim)
            self._outbox.put_again(known or ("release", job_id, claim, "0", 1))
        if orphans:
            self._parts.telemetry.log.warning("settling again what Redis forgot", queue=self._queue, jobs=len(orphans))

    def _knows(self, job_id: str, claim: str) -> bool:
        run = self._executor.running.get(job_id)
        return (
            (run is not None and run.claim == claim)
            or self._outbox.holds(job_id, claim)
            or self._under_way(job_id, claim)
        )
