"""New versions under load: each replaces the one before it, and no job notices."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import cycle
from typing import Final

from e2e.load.generator import Lengths, Load
from e2e.scenarios.stage import START_SECONDS, Stage, scaling

from support.kube_client import until

MOST: Final = 3
SURGE: Final = 1
CONCURRENCY: Final = 10
PER_SECOND: Final = 8.0
BROKEN: Final = ("crashes", "fails", "dies")
"""LOAD_MODEs."""
BACK_SECONDS: Final = 180.0
"""Within which a broken version must be gone."""


@dataclass(frozen=True)
class Rollout:
    """One version replaced by the next."""

    seconds: float
    running: int
    """Jobs that ran when the new version was applied."""
    jobs: int
    lost: int
    interrupted: int
    redelivered: int
    dead: int
    """Dead letters afterwards."""
    most_pods: int
    """Live and terminating pods, at most."""

    @property
    def sound(self) -> bool:
        """Whether no job noticed, and there were never too many pods."""
        harmed = self.lost or self.interrupted or self.redelivered or self.dead
        return not harmed and self.running > 0 and self.most_pods <= MOST + SURGE


@dataclass(frozen=True)
class RolledBack:
    """A version that goes wrong, from its first worker to its last."""

    mode: str
    seconds: float
    """From the change of the spec to the old version's workers being alone again."""
    verdict: str
    """The operator's last word on it."""
    jobs: int
    lost: int
    failed: int
    """Runs that the broken version has failed."""
    redelivered: int
    """Jobs that began again under the same attempt number."""
    dead: int
    most_pods: int
    fewest_old: int
    """The fewest workers asked for of the old version."""
    most_new: int
    """The most workers asked for of the broken one."""

    @property
    def sound(self) -> bool:
        """Whether the old version served on, with all its workers, and every job was done in the end."""
        # A run that fails on trial is not charged, so the job begins anew under the same number.
        excused = {"crashes": 0, "fails": self.failed}.get(self.mode, self.jobs)
        harmed = self.lost or self.dead or self.redelivered > excused
        return not harmed and self.fewest_old == MOST and self.most_new == 1 and self.most_pods <= MOST + SURGE


async def broken(stage: Stage, *, count: int, seed: int, longest: float = 2.0) -> AsyncIterator[RolledBack]:
    """`count` rollouts of versions that crash, fail their jobs or die under them, in turn, while jobs flow."""
    source = random.Random(seed)
    await _deploy(stage, "works")
    await stage.only(1, MOST, seconds=START_SECONDS)
    [old] = stage.sight.versions
    for number, mode in zip(range(count), cycle(BROKEN), strict=False):
        load = stage.load(source, Lengths(0.1, longest))
        stage.book.turn()
        async with flowing(load):
            await until(stage.all_busy, seconds=START_SECONDS)
            stage.sight.forget()
            began = time.monotonic()
            await _deploy(stage, f"{mode}-{number}", LOAD_MODE=mode)
            said = await stage.says("Progressing", seconds=BACK_SECONDS, reason="RolledBack")
            await stage.only(1, MOST, seconds=BACK_SECONDS)
            took = time.monotonic() - began
        await stage.finished(load, seconds=120)
        judged = await stage.book.judge(load.acknowledged)
        asked = stage.sight.asked
        yield RolledBack(
            mode=mode,
            seconds=round(took, 1),
            verdict=said["message"],
            jobs=judged.jobs,
            lost=judged.lost,
            failed=judged.failed,
            redelivered=judged.redelivered,
            dead=(await stage.admin.stats()).dead,
            most_pods=stage.sight.most_pods,
            fewest_old=min([MOST, *(one.replicas for one in asked if one.version == old)]),
            most_new=max([0, *(one.replicas for one in asked if one.version != old)]),
        )
        await _deploy(stage, "works")


async def rollouts(stage: Stage, *, count: int, seed: int, longest: float = 20.0) -> AsyncIterator[Rollout]:
    """`count` rollouts, one after another, with jobs of 0.1 to `longest` seconds flowing all the time."""
    source = random.Random(seed)
    await _deploy(stage, f"{seed}")
    await stage.only(1, MOST, seconds=START_SECONDS)
    for number in range(count):
        load = stage.load(source, Lengths(0.1, longest))
        stage.book.turn()
        async with flowing(load):
            await until(stage.all_busy, seconds=START_SECONDS)
            running = len(await stage.book.running())
            stage.sight.forget()
            await _deploy(stage, f"{seed}-{number}")
            await _begun(stage)
            took = await stage.only(1, MOST, seconds=240 + MOST * longest)
        await stage.finished(load, seconds=60 + 4 * longest)
        judged = await stage.book.judge(load.acknowledged)
        yield Rollout(
            seconds=round(took, 1),
            running=running,
            jobs=judged.jobs,
            lost=judged.lost,
            interrupted=judged.interrupted,
            redelivered=judged.redelivered,
            dead=(await stage.admin.stats()).dead,
            most_pods=stage.sight.most_pods,
        )


@asynccontextmanager
async def flowing(load: Load, per_second: float = PER_SECOND) -> AsyncIterator[None]:
    """Jobs flow within the block."""
    end = asyncio.Event()
    flow = asyncio.create_task(load.flow(per_second, end))
    try:
        yield
        assert not flow.done(), "the load has ended by itself"
    finally:
        end.set()
        await flow


async def _deploy(stage: Stage, release: str, **worker: str) -> None:
    await stage.apply(
        worker=stage.worker(concurrency=CONCURRENCY, RELEASE=release, **worker),
        scaling=scaling(minReplicas=MOST, maxReplicas=MOST),
        rollout={"maxSurge": SURGE},
    )


async def _begun(stage: Stage) -> None:
    await until(lambda: len(stage.sight.versions) == 2, seconds=START_SECONDS)
