"""Jobs longer than what surrounds them: the fleet's cooldown, their pod's deletion, its grace."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from e2e.scenarios.stage import START_SECONDS, Stage, scaling

from support.kube_client import until

OUTLIVES_COOLDOWN: Final = "ten times the cooldown"
OUTLIVES_POD: Final = "shorter than its deleted pod's grace"
OUTLASTS_GRACE: Final = "longer than its deleted pod's grace"


@dataclass(frozen=True)
class LongJob:
    """What became of one long job."""

    kind: str
    starts: int
    workers: int
    """Workers that it ran on."""
    cut_short: int
    """Runs that were cancelled."""
    most_attempts: int
    """The highest attempt number: 1 if nothing was charged."""
    deleted: int
    """Pods that were told to end while they ran it."""
    done: int
    """1 if it ended well."""

    @property
    def sound(self) -> bool:
        """Once, from its beginning to its end; or released uncharged, and finished elsewhere."""
        if self.kind == OUTLASTS_GRACE:
            return (self.done, self.starts, self.workers, self.cut_short, self.most_attempts) == (1, 2, 2, 1, 1)
        told = self.deleted == (self.kind == OUTLIVES_POD)
        return told and (self.done, self.starts, self.cut_short, self.most_attempts) == (1, 1, 0, 1)


async def long_jobs(stage: Stage, *, count: int, seconds: float = 30) -> AsyncIterator[LongJob]:
    """`count` jobs of that length, of the three kinds in turn; at least 15 seconds, to be longer than a short grace."""
    for number in range(count):
        match number % 3:
            case 0:
                yield await outlives_the_cooldown(stage, seconds=seconds)
            case 1:
                yield await outlives_its_pod(stage, seconds=seconds, grace=int(2 * seconds))
            case _:
                yield await outlives_its_pod(stage, seconds=seconds, grace=3)


async def outlives_the_cooldown(stage: Stage, *, seconds: float) -> LongJob:
    """One job on an otherwise empty queue, ten times as long as the cooldown."""
    await stage.begin_anew(scaling=scaling(cooldownSeconds=int(seconds / 10)))
    job = await _begin(stage, seconds)
    return await _end(stage, OUTLIVES_COOLDOWN, job, seconds)


async def outlives_its_pod(stage: Stage, *, seconds: float, grace: int) -> LongJob:
    """A job whose pod is told to end while it runs, by a grace of `grace` seconds: longer or shorter than the job."""
    await stage.begin_anew(scaling=scaling(), drain={"graceSeconds": grace})
    job = await _begin(stage, seconds)
    [run] = await stage.book.running()
    await stage.kube.do("delete", "pod", run.worker, "--wait=false")
    kind = OUTLIVES_POD if grace > seconds else OUTLASTS_GRACE
    return await _end(stage, kind, job, 2 * seconds)


async def _begin(stage: Stage, seconds: float) -> str:
    await stage.empty()
    job = await stage.load(random.Random(0)).add(seconds)
    await until(stage.book.running, seconds=START_SECONDS)
    stage.sight.forget()
    return job


async def _end(stage: Stage, kind: str, job: str, seconds: float) -> LongJob:
    await until(lambda: stage.book.done([job]), seconds=START_SECONDS + seconds)
    runs = await stage.book.read()
    return LongJob(
        kind=kind,
        starts=len(runs),
        workers=len({run.worker for run in runs}),
        cut_short=sum(run.outcome == "cancelled" for run in runs),
        most_attempts=max(run.attempt for run in runs),
        deleted=sum(run.at(one.at) and run.worker == one.pod for run in runs for one in stage.sight.deletions),
        done=sum(run.outcome == "ok" for run in runs),
    )
