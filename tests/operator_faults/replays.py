"""`python -m tests.operator_faults.replays [--jobs N] [--kills N]`: the operator dies again and again amid one replay.

The API server and the operator's process are real, and so is kill -9. Nobody works while letters move, so that each can
be counted; the ledger says afterwards how often each job ran. At last the annotation comes back, as Git would bring it.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "examples" / "code-index")]

from support.control_plane import ControlPlane  # noqa: E402
from support.fleet_tasks import HEALED  # noqa: E402
from support.helm import find_helm  # noqa: E402
from support.kube_client import until  # noqa: E402
from support.kubernetes_programs import CONTROL_PLANE, ProgramsUnavailable, kubernetes_programs  # noqa: E402
from support.live_fleet import QUEUE, LiveFleet, live_fleet, scaling  # noqa: E402
from support.operator_account import operator_account, own_namespace, serve_crds  # noqa: E402
from support.soak_record import RECORD, commit, merge  # noqa: E402

FINAL = ("Completed", "Failed", "Cancelled", "Refused")
REQUEST = "again-1"
MOVING_SECONDS = 20
"""How long the replay takes where nobody dies."""
PATIENCE = 600


@dataclass(frozen=True)
class Verdict:
    """What came of it."""

    jobs: int
    kills: int
    """While the replay was under way."""
    conserved: bool
    """After each kill every job was dead or ready."""
    replayed: int
    """Letters moved, as Redis has counted …"""
    said: int
    """… and as the status says."""
    phase: str
    completed: int
    """Jobs that ran to their end, by the ledger."""
    runs: int
    """All of them: two that failed before the letter, one after its replay."""
    redelivered: int
    moved_by_the_same_annotation: int
    """Letters that moved when the annotation came back."""
    finished_events: int
    seconds: float

    @property
    def sound(self) -> bool:
        """What must hold."""
        once = self.replayed == self.said == self.completed == self.jobs and self.runs == 3 * self.jobs
        told = (self.phase, self.finished_events) == ("Completed", 1)
        return self.conserved and once and told and self.redelivered == 0 and self.moved_by_the_same_annotation == 0


async def run(fleet: LiveFleet, jobs: int, kills: int) -> Verdict:
    """Raises AssertionError when something takes far too long."""
    begun = time.monotonic()
    await _bury(fleet, jobs)
    annotation = f"headrace.dev/replay=all,rate={min(9999, max(10, jobs // MOVING_SECONDS))},request={REQUEST}"
    await fleet.kube.do("annotate", "wq", QUEUE, annotation)
    conserved = True
    for number in range(1, kills + 1):
        await until(partial(_replayed, fleet, jobs * number // (kills + 1)), seconds=PATIENCE, every=0.02)
        [operator] = fleet.operators
        await asyncio.to_thread(operator.kill)
        stats = await fleet.admin.stats()
        conserved = conserved and stats.dead + stats.ready == jobs and stats.dead > 0
        await asyncio.to_thread(operator.start)
    await until(lambda: _is_over(fleet), seconds=PATIENCE)
    status = (await fleet.kube.status(QUEUE))["replay"]
    replayed = (await fleet.admin.stats()).replayed
    await _work(fleet, jobs)
    ledger = await fleet.ledger()
    await fleet.memory.delete(HEALED)
    await fleet.enqueue_failing("brittle", 1)
    await until(lambda: _dead(fleet, 1), seconds=PATIENCE)
    await fleet.kube.do("annotate", "wq", QUEUE, annotation)
    await until(lambda: _is_over(fleet), seconds=PATIENCE)
    reasons = [reason for reason, _ in await fleet.kube.events(QUEUE)]
    return Verdict(
        jobs=jobs,
        kills=kills,
        conserved=conserved,
        replayed=replayed,
        said=status["replayed"],
        phase=status["phase"],
        completed=ledger.count("ok"),
        runs=ledger.started,
        redelivered=ledger.redelivered,
        moved_by_the_same_annotation=(await fleet.admin.stats()).replayed - replayed,
        finished_events=reasons.count("ReplayFinished"),
        seconds=round(time.monotonic() - begun, 1),
    )


async def _bury(fleet: LiveFleet, jobs: int) -> None:
    """Dead letters, and then no worker."""
    await fleet.kube.apply(fleet.manifest(scaling=scaling(minReplicas=2)))
    await fleet.enqueue_failing("fragile", jobs)
    await until(lambda: _dead(fleet, jobs), seconds=PATIENCE)
    await fleet.kube.apply(fleet.manifest(replicas=0))
    await until(lambda: not fleet.kubelet.pods, seconds=PATIENCE)
    await fleet.heal()


async def _dead(fleet: LiveFleet, count: int) -> bool:
    return (await fleet.admin.stats()).dead == count


async def _replayed(fleet: LiveFleet, least: int) -> bool:
    return (await fleet.admin.stats()).replayed >= least


async def _is_over(fleet: LiveFleet) -> bool:
    found = await fleet.kube.get("wq", QUEUE)
    removed = "headrace.dev/replay" not in found["metadata"].get("annotations", {})
    return removed and found["status"].get("replay", {}).get("phase") in FINAL


async def _work(fleet: LiveFleet, jobs: int) -> None:
    """Let workers come, until each replayed job has run."""
    await fleet.kube.apply(fleet.manifest(scaling=scaling(backlogPerReplica=1000)))
    await fleet.kube.do("patch", "wq", QUEUE, "--type=merge", '--patch={"spec":{"replicas":null}}')

    async def done() -> bool:
        return (await fleet.ledger()).count("ok") == jobs

    await until(done, seconds=PATIENCE, every=0.5)


def main() -> int:
    """Exit code 0 when it was sound, 2 where this machine can't try it."""
    made = argparse.ArgumentParser(prog="python -m tests.operator_faults.replays", description=__doc__)
    made.add_argument("--jobs", type=int, default=10_000, help="dead letters")
    made.add_argument("--kills", type=int, default=20, help="of the operator, amid the replay")
    made.add_argument("--out", type=Path, default=RECORD, help="where the verdict goes")
    arguments = made.parse_args()
    try:
        programs, helm = kubernetes_programs(*CONTROL_PLANE), find_helm()
    except ProgramsUnavailable as exc:
        print(f"{made.prog}: no control plane on this machine: {exc}", file=sys.stderr)
        return 2
    with (
        ControlPlane(programs) as plane,
        own_namespace(plane) as namespace,
        tempfile.TemporaryDirectory(prefix="headrace-replay-") as folder,
    ):
        serve_crds(plane)
        with operator_account(plane, namespace, helm) as account:
            verdict = asyncio.run(_run(live_fleet(plane, namespace, account, Path(folder)), arguments))
    print(f"{'sound' if verdict.sound else 'NOT SOUND'}: {verdict}", flush=True)
    entry = {"fault": "operator/killed-amid-a-replay", "commit": commit(), **asdict(verdict), "sound": verdict.sound}
    merge(arguments.out, entry)
    return 0 if verdict.sound else 1


async def _run(opened: AbstractAsyncContextManager[LiveFleet], arguments: argparse.Namespace) -> Verdict:
    async with opened as fleet:
        return await run(fleet, arguments.jobs, arguments.kills)


if __name__ == "__main__":
    sys.exit(main())
