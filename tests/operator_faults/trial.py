"""What must hold while something breaks and after it: with workers that are busy, idle, or not there at all.

The judge believes the API server's watch and the ledger, never the operator.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum

from code_index.ledger import Summary
from operator_faults.ground import Break, Ground
from support.polling import eventually

WORKERS = 3
"""Of a fleet that isn't empty."""
RECOVERY_SECONDS = 10.0
"""Within which a healed fleet follows its queue again."""
TOLD_SECONDS = 30.0
PATIENCE = 60.0
"""For what has no limit of its own."""
COOLDOWN = 8
"""Seconds, while the workers are idle …"""
QUICK_COOLDOWN = 2
"""… and else."""
JOBS_MEANWHILE = 2


class Fleet(StrEnum):
    """What the workers do when it breaks."""

    BUSY = "busy"
    IDLE = "idle"
    EMPTY = "empty"


@dataclass
class Verdict:
    """What one trial came to."""

    fault: str
    fleet: Fleet
    seconds_to_say: float | None = None
    """Until the condition named the reason."""
    recovery: float = 0.0
    """Seconds from the healing until the fleet was made to grow for its queue."""
    complaints: list[str] = field(default_factory=list)
    """Empty when all is well."""
    seconds: float = 0.0

    @property
    def sound(self) -> bool:
        """Everything that must hold held."""
        return not self.complaints

    def expect(self, held: bool, complaint: str) -> None:
        """Note `complaint` unless it `held`."""
        if not held:
            self.complaints.append(complaint)


@dataclass(frozen=True)
class Trial:
    """One fault on one ground."""

    name: str
    broken: Break
    ground: Ground
    says: str | None
    takes_jobs: bool
    outage: float
    """Least number of seconds from when it is broken until it is healed."""
    limit: float = RECOVERY_SECONDS

    async def run(self, fleet: Fleet) -> Verdict:
        """Raises AssertionError where a wait that no fault excuses took too long."""
        verdict, begun = Verdict(self.name, fleet), time.monotonic()
        await self._quiet()
        before = await self.ground.ledger()
        match fleet:
            case Fleet.BUSY:
                await self._busy(verdict)
            case Fleet.IDLE:
                await self._idle(verdict)
            case Fleet.EMPTY:
                await self._empty(verdict)
        await self._nothing_lost(verdict, before)
        verdict.seconds = time.monotonic() - begun
        return verdict

    async def _busy(self, verdict: Verdict) -> None:
        """Workers with jobs in hand keep them; a job more gets a worker more."""
        gate = await self._occupied()
        mark = time.monotonic()
        async with self._breaking(verdict):
            await self._meanwhile()
        healed = time.monotonic()
        await self.ground.hold(gate, 1)
        await self._grows(verdict, WORKERS + 1, healed)
        await self._all_is_said(verdict)
        self._nobody_went(verdict, mark)
        await self.ground.open(gate)

    async def _idle(self, verdict: Verdict) -> None:
        """The time in which nothing is known is no time without jobs: the cooldown goes on where it was."""
        await self.ground.cool_down_for(COOLDOWN)
        gate = await self._occupied()
        mark = time.monotonic()
        await self.ground.open(gate)
        await eventually(self._all_done, within=PATIENCE, every=0.05)
        idle = time.monotonic()
        async with self._breaking(verdict):
            noticed = time.monotonic()
            await asyncio.sleep(COOLDOWN)
        healed = time.monotonic()
        await eventually(lambda: self.ground.watch.replicas == 0, within=PATIENCE, every=0.02)
        kept, owed = time.monotonic() - healed, COOLDOWN - (noticed - idle)
        verdict.expect(kept >= owed - 0.5, f"idle workers went {kept:.1f} s after the healing, {owed:.1f} s were left")
        went = self.ground.watch.history[-1].at
        verdict.expect(self.ground.watch.lowest_between(mark, went) >= WORKERS, "idle workers went during the fault")
        await self.ground.cool_down_for(QUICK_COOLDOWN)

    async def _empty(self, verdict: Verdict) -> None:
        """A job wakes the fleet, as soon as that can be."""
        mark = time.monotonic()
        async with self._breaking(verdict):
            await self._meanwhile()
        healed = time.monotonic()
        if not self.takes_jobs:
            await self.ground.enqueue(JOBS_MEANWHILE)
        await self._grows(verdict, 1, healed, since=mark)
        await self._all_is_said(verdict)

    @asynccontextmanager
    async def _breaking(self, verdict: Verdict) -> AsyncIterator[None]:
        try:
            await self.broken.begin()
            begun = time.monotonic()
            if self.says is not None:
                verdict.seconds_to_say = await self._told(verdict, "False", self.says)
            yield
            await asyncio.sleep(max(0.0, begun + self.outage - time.monotonic()))
        finally:
            await self.broken.heal()

    async def _meanwhile(self) -> None:
        if self.takes_jobs:
            await self.ground.enqueue(JOBS_MEANWHILE)

    async def _told(self, verdict: Verdict, status: str, reason: str) -> float:
        begun = time.monotonic()
        last = ""

        async def so() -> bool:
            nonlocal last
            seen = await self.ground.condition("RedisAvailable")
            last = f"{seen.get('status')} {seen.get('reason')}: {seen.get('message')}"
            return (seen.get("status"), seen.get("reason")) == (status, reason)

        try:
            await eventually(so, within=TOLD_SECONDS, every=0.2)
        except AssertionError:
            verdict.complaints.append(f"RedisAvailable is {last}, not {status} {reason}")
        return time.monotonic() - begun

    async def _all_is_said(self, verdict: Verdict) -> None:
        if self.says is not None:
            await self._told(verdict, "True", "Reachable")

    async def _grows(self, verdict: Verdict, replicas: int, healed: float, *, since: float | None = None) -> None:
        watch = self.ground.watch
        try:
            await eventually(lambda: watch.reached(replicas, since or healed) is not None, within=PATIENCE)
        except AssertionError:
            seen = await self.ground.condition("RedisAvailable")
            raise AssertionError(f"{watch.replicas} replicas, not {replicas}; {seen}") from None
        grown = watch.reached(replicas, since or healed)
        assert grown is not None
        verdict.recovery = max(0.0, grown - healed)
        verdict.expect(verdict.recovery <= self.limit, f"grew {verdict.recovery:.1f} s after the healing")

    def _nobody_went(self, verdict: Verdict, mark: float) -> None:
        watch = self.ground.watch
        lowest, gone = watch.lowest_since(mark), watch.deleted_since(mark)
        verdict.expect(lowest >= WORKERS, f"replicas fell to {lowest}")
        verdict.expect(not gone, f"pods were deleted: {gone}")

    async def _occupied(self) -> str:
        """Three workers, each with a job that lasts until the gate that is returned is opened."""
        gate = secrets.token_hex(4)
        await self.ground.hold(gate, WORKERS)

        async def so() -> bool:
            running = (await self.ground.ledger()).count("running")
            return running == self.ground.watch.replicas == WORKERS

        await eventually(so, within=PATIENCE, every=0.1)
        return gate

    async def _quiet(self) -> None:
        async def so() -> bool:
            seen = await self.ground.condition("RedisAvailable")
            # While pods are ending, they may still take a job: the fleet would have no reason to grow.
            return seen.get("status") == "True" and self.ground.watch.replicas == 0 and not self.ground.watch.pods

        await eventually(so, within=PATIENCE, every=0.2)

    async def _nothing_lost(self, verdict: Verdict, before: Summary) -> None:
        await eventually(self._all_done, within=PATIENCE, every=0.1)
        books = await self.ground.ledger()
        interrupted, redelivered = books.interrupted - before.interrupted, books.redelivered - before.redelivered
        verdict.expect(not interrupted, f"{interrupted} runs were cut short")
        verdict.expect(not redelivered, f"{redelivered} jobs ran twice")
        await eventually(lambda: self.ground.watch.replicas == 0, within=PATIENCE)

    async def _all_done(self) -> bool:
        return (await self.ground.ledger()).count("ok") == self.ground.enqueued
