"""Fleets without workers: how soon a job brings one, and how soon a delayed job runs after it falls due."""

from __future__ import annotations

import random
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from e2e.scenarios.stage import START_SECONDS, Stage, scaling

from support.kube_client import until

CLOCKS_DIFFER: Final = 0.005
"""This machine's and Redis's, which count milliseconds."""
PATCHED_SECONDS: Final = 1.0
STARTED_SECONDS: Final = 5.0
"""On a machine that has little else to do; `slack` times as long on others."""


@dataclass(frozen=True)
class Wake:
    """One job for an empty fleet. Seconds from its enqueue, or from when it fell due."""

    patched: float
    """Until a Deployment was seen to ask for a worker."""
    started: float
    """Until its handler began."""
    late: int
    """1 if either was later than it should be."""

    @property
    def sound(self) -> bool:
        """Whether it was soon enough, and not too soon."""
        return not self.late and self.started >= -CLOCKS_DIFFER


async def wakes(stage: Stage, *, count: int, seed: int, slack: float = 1.0) -> AsyncIterator[Wake]:
    """`count` jobs, each for a fleet that has gone back to nothing."""
    source = random.Random(seed)
    await _deploy(stage)
    for _ in range(count):
        await stage.empty()
        load = stage.load(source)
        began = time.time()
        await load.add(0)
        yield await _followed(stage, load.acknowledged[0], began, slack)


async def delayed(
    stage: Stage, *, count: int, seed: int, delay: float = 20.0, slack: float = 1.0
) -> AsyncIterator[Wake]:
    """The same with jobs that fall due after `delay` seconds; `patched` may be before that."""
    source = random.Random(seed)
    await _deploy(stage)
    for _ in range(count):
        await stage.empty()
        load = stage.load(source)
        due = time.time() + delay
        await load.add(0, delay=delay)
        yield await _followed(stage, load.acknowledged[0], due, slack, patience=delay)


async def _deploy(stage: Stage) -> None:
    await stage.apply(scaling=scaling(cooldownSeconds=0))
    await stage.says("RedisAvailable", status="True")


async def _followed(stage: Stage, job: str, since: float, slack: float, *, patience: float = 0) -> Wake:
    await until(lambda: stage.book.done([job]), seconds=START_SECONDS + patience)
    [run] = await stage.book.read()
    asked = next(one for one in stage.sight.asked if one.replicas > 0)
    patched, started = asked.at - since, run.began - since
    late = patched > PATCHED_SECONDS * slack or started > STARTED_SECONDS * slack
    return Wake(patched=round(patched, 3), started=round(started, 3), late=int(late))
