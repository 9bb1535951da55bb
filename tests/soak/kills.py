"""Jobs through kill -9 every few seconds: none lost, repeats within the bound, the memory of a survivor flat.

Three workers share the load. Two are killed by turns and started again; the third lives from the first job to the
last, and its memory is sampled.
"""

from __future__ import annotations

import asyncio
import os
import random
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from faults.trial import most_repeats
from soak import tally
from support.apps import endurance
from support.lab import Lab
from support.polling import eventually
from support.servers import RedisServer
from support.worker_process import WorkerProcess

SLOTS = 50
LEASE = "2s"
BACKLOG = 50_000
"""Jobs enqueued and not ended that the producer stops at."""
BATCH = 5_000
MAY_GROW_MB = 8.0
"""From the second quarter of the run to the last, by their medians: caches and the allocator's leftovers."""
PAGE_MB = os.sysconf("SC_PAGE_SIZE") / 2**20


@dataclass(frozen=True)
class Verdict:
    """What the run came to."""

    jobs: int
    kills: int
    lost: int
    repeats: int
    leases_lost: int
    bound: int
    """The most repeats that so many kills may cause."""
    most_starts: int
    """Of one job."""
    dead: int
    settled: int
    audit_clean: bool
    rss_mb: tuple[float, float, float]
    """Of the survivor: median of the second quarter of the run, of the last, and the most."""
    seconds: float

    @property
    def sound(self) -> bool:
        """What `make soak` asserts."""
        whole = (self.lost, self.dead, self.settled) == (0, 0, self.jobs) and self.audit_clean
        bounded = self.repeats <= self.leases_lost <= self.bound
        return self.kills > 0 and whole and bounded and self.rss_mb[1] - self.rss_mb[0] <= MAY_GROW_MB

    def summary(self) -> dict[str, Any]:
        """For the record."""
        return {**asdict(self), "sound": self.sound, "jobs_per_s": round(self.jobs / self.seconds)}


async def run(jobs: int, *, seed: int, every: float, within: float) -> Verdict:
    """every: seconds between kills, on average. Raises TimeoutError when jobs are left after `within` seconds."""
    with tempfile.TemporaryDirectory(prefix="headrace-soak-") as directory, RedisServer() as redis:
        lab = Lab(redis.url, Path(directory))
        try:
            async with asyncio.timeout(within):
                return await _Soak(lab, jobs, every, random.Random(seed)).run()
        finally:
            await lab.close()


class _Soak:
    def __init__(self, lab: Lab, jobs: int, every: float, chance: random.Random) -> None:
        self._lab = lab
        self._jobs = jobs
        self._every = every
        self._chance = chance
        self._ledger = lab.directory / "ledger"
        self._kills = 0
        self._rss: list[float] = []

    async def run(self) -> Verdict:
        begun = time.monotonic()
        self._lab.use(endurance.fleet)
        survivor = await self._start()
        mortal = [await self._start(), await self._start()]
        helpers = [asyncio.create_task(self._kill_by_turns(mortal)), asyncio.create_task(self._sample(survivor))]
        await self._produce()
        await eventually(self._all_settled, within=600, every=0.2)
        for helper in helpers:
            helper.cancel()
        await asyncio.wait(helpers)
        for helper in helpers:
            assert helper.cancelled(), "a killer or a sampler failed"
        return await self._judge(time.monotonic() - begun)

    async def _start(self) -> WorkerProcess:
        return await self._lab.start("endurance", LEASE=LEASE, WORKER_COUNT=str(SLOTS), LOG_JOBS="none")

    async def _produce(self) -> None:
        for first in range(0, self._jobs, BATCH):
            await eventually(lambda first=first: first - tally.size(self._ledger) // 2 < BACKLOG, within=300)  # type: ignore[misc]
            numbers = range(first, min(first + BATCH, self._jobs))
            await endurance.work.enqueue_many([{"number": number} for number in numbers])

    async def _kill_by_turns(self, mortal: list[WorkerProcess]) -> None:
        while True:
            await asyncio.sleep(self._every * self._chance.uniform(0.7, 1.3))
            place = self._kills % len(mortal)
            mortal[place].kill()
            self._kills += 1
            mortal[place] = await self._start()

    async def _sample(self, survivor: WorkerProcess) -> None:
        statm = Path(f"/proc/{survivor.pid}/statm")
        while True:
            self._rss.append(int(statm.read_text().split()[1]) * PAGE_MB)
            await asyncio.sleep(0.5)

    async def _all_settled(self) -> bool:
        """Nothing waits, runs, or is still leased to one that was killed."""
        return await self._lab.idle()

    async def _judge(self, seconds: float) -> Verdict:
        counted = await asyncio.to_thread(tally.count, self._ledger, self._jobs)
        stats = await self._lab.stats()
        report = await self._lab.admin().audit.run()
        quarter = max(1, len(self._rss) // 4)
        return Verdict(
            jobs=self._jobs,
            kills=self._kills,
            lost=counted.lost,
            repeats=counted.repeats,
            leases_lost=stats.crashed,
            bound=most_repeats(self._kills, SLOTS),
            most_starts=counted.most_starts,
            dead=stats.dead,
            settled=sum(version.completed for version in stats.versions.values()),
            audit_clean=report.clean,
            rss_mb=(
                round(median(self._rss[quarter : 2 * quarter] or self._rss), 1),
                round(median(self._rss[-quarter:]), 1),
                round(max(self._rss), 1),
            ),
            seconds=round(seconds, 1),
        )
