"""From the operator of 0.1.0 to the present one, by helm, while jobs run: no worker notices.

On the way the CRD gets fields that it had not, and the operator's default image changes, which the fleet uses.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from e2e.load.generator import Lengths
from e2e.scenarios.on_cluster import install_operator
from e2e.scenarios.rollouts import flowing
from e2e.scenarios.stage import NAME, START_SECONDS, Stage, scaling

from support.earlier_release import unpack
from support.helm import CHART
from support.kube_client import until

Json = dict[str, Any]
BEFORE: Final = "0.1.0"
BEFORE_IMAGE: Final = f"headrace-operator:v{BEFORE}"
"""See e2e/images/earlier-operator.sh."""
WORKERS: Final = 2
CONCURRENCY: Final = 5
LONG_JOB: Final = 45.0
"""Seconds; longer than the upgrade."""
GATE_JOBS: Final = 7
"""Value of a field that 0.1.0 doesn't know."""


@dataclass(frozen=True)
class Upgraded:
    """One upgrade."""

    seconds: float
    """From `helm upgrade` to the new operator's first word about the fleet."""
    running: int
    """Jobs that ran at the beginning."""
    restarted: int
    """Workers that went or began anew."""
    new_field_kept: int
    """1 if a field that 0.1.0 didn't know is stored."""
    grew: int
    """1 if the new operator then made the old version grow."""
    jobs: int
    lost: int
    interrupted: int
    redelivered: int

    @property
    def sound(self) -> bool:
        """Whether nobody noticed, and the fleet goes on."""
        harmed = self.restarted or self.lost or self.interrupted or self.redelivered
        return not harmed and self.running > 0 and self.new_field_kept == 1 and self.grew == 1


async def upgrades(stage: Stage, *, count: int, seed: int) -> AsyncIterator[Upgraded]:
    """`count` upgrades on a stage without an operator. The CRDs of the whole cluster are those of 0.1.0 meanwhile."""
    source = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="headrace-before-") as folder:
        old = unpack(BEFORE, Path(folder))
        for _ in range(count):
            yield await _upgraded(stage, old, source)


async def _upgraded(stage: Stage, old: Path, source: random.Random) -> Upgraded:
    await _install(stage, old / "charts" / "headrace", BEFORE_IMAGE, stage.image)
    fleet: Json = {"scaling": scaling(minReplicas=WORKERS, maxReplicas=WORKERS + 1, backlogPerReplica=100)}
    fleet["worker"] = {key: value for key, value in stage.worker(concurrency=CONCURRENCY).items() if key != "image"}
    await stage.begin_anew(**fleet)
    await stage.only(1, WORKERS, seconds=START_SECONDS)
    load = stage.load(source, Lengths(0.1, 20))
    stage.book.turn()
    async with flowing(load, 2.0):
        long_jobs = [await load.add(LONG_JOB) for _ in range(WORKERS)]
        await until(lambda: _all_run(stage, long_jobs), seconds=START_SECONDS)
        workers, [version] = _containers(stage), stage.sight.versions
        running, began = len(await stage.book.running()), time.monotonic()
        await _install(stage, CHART, stage.cluster.images.operator, f"{stage.image}-renamed")
        await stage.apply(**fleet, rollout={"gate": {"jobs": GATE_JOBS}})
        took = time.monotonic() - began
        await until(lambda: stage.book.done(long_jobs), seconds=START_SECONDS + LONG_JOB)
        restarted = len(set(workers.items()) - set(_containers(stage).items()))
        kept = (await stage.kube.get("workerqueue", NAME))["spec"]["rollout"].get("gate", {}).get("jobs")
        await stage.scale(WORKERS + 1)
        await stage.has(WORKERS + 1)
        grew = list(stage.sight.versions) == [version]
    await stage.finished(load, seconds=120)
    judged = await stage.book.judge(load.acknowledged)
    return Upgraded(
        seconds=round(took, 1),
        running=running,
        restarted=restarted,
        new_field_kept=int(kept == GATE_JOBS),
        grew=int(grew),
        jobs=judged.jobs,
        lost=judged.lost,
        interrupted=judged.interrupted,
        redelivered=judged.redelivered,
    )


async def _install(stage: Stage, chart: Path, image: str, worker_image: str) -> None:
    """The release with its CRDs, taken over from whoever had them; returns when its operator is the only one."""
    settings = ("crds.install=true", f"workerImage={worker_image}")
    await install_operator(
        stage.cluster, stage.kube.namespace, *settings, replicas=1, chart=chart, image=image, take_ownership=True
    )
    await stage.kube.do("rollout", "status", "deployment", "headrace", "--timeout=120s")


async def _all_run(stage: Stage, jobs: list[str]) -> bool:
    return {run.job for run in await stage.book.running()}.issuperset(jobs)


def _containers(stage: Stage) -> dict[str, int]:
    """Pod's uid → how often its containers were started anew."""
    return {
        uid: sum(one["restartCount"] for one in pod["status"].get("containerStatuses", ()))
        for uid, pod in stage.sight.pods.items()
        if "deletionTimestamp" not in pod["metadata"]
    }
