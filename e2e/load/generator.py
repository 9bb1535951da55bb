"""Producers of load: jobs of drawn lengths at a given pace, the same for the same seed."""

from __future__ import annotations

import asyncio
import math
import random
from dataclasses import dataclass, field

from e2e.load.app import QUEUE

from headrace import Fleet

THREADS = 0.25
"""Part of the jobs that run in a thread."""


@dataclass(frozen=True)
class Lengths:
    """Lengths of jobs, seconds, drawn log-uniformly: as many short ones as long ones, on a logarithmic scale."""

    shortest: float = 0.1
    longest: float = 20.0

    def draw(self, source: random.Random) -> float:
        """One length."""
        return math.exp(source.uniform(math.log(self.shortest), math.log(self.longest)))


@dataclass
class Load:
    """What one producer has enqueued. `acknowledged` are the ids that must not be lost."""

    fleet: Fleet
    source: random.Random
    lengths: Lengths = Lengths()
    acknowledged: list[str] = field(default_factory=list)

    async def add(self, seconds: float, *, delay: float | None = None) -> str:
        """One coroutine job of that length. Raises QueueUnavailableError."""
        task = self.fleet.queue(QUEUE).tasks["nap"]
        job = await (task if delay is None else task.options(delay=delay)).enqueue(seconds=seconds)
        self.acknowledged.append(job.id)
        return job.id

    async def burst(self, count: int) -> None:
        """So many jobs of drawn lengths at once. Raises QueueUnavailableError."""
        for name, lengths in self._drawn(count).items():
            if lengths:
                task = self.fleet.queue(QUEUE).tasks[name]
                self.acknowledged += await task.enqueue_many([{"seconds": length} for length in lengths])

    async def flow(self, per_second: float, end: asyncio.Event) -> None:
        """Jobs of drawn lengths at that mean rate, at random moments, until `end`.

        Not until cancelled: a job whose enqueue was cut off may exist and would be in nobody's books.
        """
        while not end.is_set():
            try:
                await asyncio.wait_for(end.wait(), self.source.expovariate(per_second))
            except TimeoutError:
                await self.burst(1)

    def _drawn(self, count: int) -> dict[str, list[float]]:
        drawn: dict[str, list[float]] = {"nap": [], "grind": []}
        for _ in range(count):
            name = "grind" if self.source.random() < THREADS else "nap"
            drawn[name].append(self.lengths.draw(self.source))
        return drawn
