"""Fleets that shrink while some of their pods are busy: who is chosen, and what becomes of the jobs."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from e2e.load.generator import Lengths, Load
from e2e.scenarios.book import Run
from e2e.scenarios.stage import START_SECONDS, Stage
from e2e.scenarios.watching import Deletion

from support.kube_client import until

MOST: Final = 5
"""Workers at the top of a staircase; it has one scale-in less."""


@dataclass(frozen=True)
class Staircase:
    """A fleet taken from MOST workers to one, a worker at a time."""

    scale_ins: int
    with_busy: int
    """Scale-ins while at least one pod ran a job."""
    aimed: int
    """Victims that had been marked as the cheapest."""
    drained: int
    """Victims that ran a job when they were chosen, and ended it first."""
    jobs: int
    lost: int
    interrupted: int
    redelivered: int

    @property
    def sound(self) -> bool:
        """Whether no job noticed."""
        return not (self.lost or self.interrupted or self.redelivered)


async def scale_ins(stage: Stage, *, count: int, seed: int, longest: float = 20.0) -> AsyncIterator[Staircase]:
    """`count` staircases of MOST - 1 scale-ins each, with jobs of 0.1 to `longest` seconds on some pods or on all."""
    source = random.Random(seed)
    await stage.apply(replicas=MOST, worker=stage.worker(concurrency=1))
    await stage.only(1, MOST, seconds=START_SECONDS)
    for _ in range(count):
        stage.book.turn()
        await stage.scale(MOST)
        await stage.has(MOST, seconds=START_SECONDS + longest)
        load = stage.load(source, Lengths(0.1, longest))
        stage.sight.forget()
        busy = 0
        for left in range(MOST - 1, 0, -1):
            busy += await _one_less(stage, load, left)
        await stage.finished(load, seconds=60 + 2 * longest)
        await stage.has(1, seconds=START_SECONDS + longest)
        yield await _summary(stage, load, busy)


async def _one_less(stage: Stage, load: Load, left: int) -> bool:
    """Go down to `left` workers, of which some or all are busy; whether any pod was just before."""
    running = len(await stage.book.running())
    for _ in range(load.source.randint(1, left + 1) - running):
        await load.add(load.lengths.draw(load.source))
    # A short job may be over before it is seen; then the next look sees it ended.
    await until(lambda: _all_begun(stage, load), seconds=START_SECONDS)
    busy = bool(await stage.book.running())
    before = len(stage.sight.deletions)
    await stage.scale(left)
    await until(lambda: len(stage.sight.deletions) > before and stage.sight.wanted == left, seconds=START_SECONDS)
    return busy


async def _all_begun(stage: Stage, load: Load) -> bool:
    return {run.job for run in await stage.book.read()}.issuperset(load.acknowledged)


async def _summary(stage: Stage, load: Load, busy: int) -> Staircase:
    runs = await stage.book.read()
    judged = await stage.book.judge(load.acknowledged)
    deletions = stage.sight.deletions
    return Staircase(
        scale_ins=len(deletions),
        with_busy=busy,
        aimed=sum(one.aimed for one in deletions),
        drained=sum(_ran(one, runs) for one in deletions),
        jobs=judged.jobs,
        lost=judged.lost,
        interrupted=judged.interrupted,
        redelivered=judged.redelivered,
    )


def _ran(victim: Deletion, runs: list[Run]) -> bool:
    return any(run.worker == victim.pod and run.at(victim.at) for run in runs)
