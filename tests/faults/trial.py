"""One run of one fault: load, break, wait, judge. The judge believes the ledger and Redis's state, not the worker."""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from faults.catalogue import Fault
from faults.world import RUNS_CALLED_FOR, SLOTS, World
from headrace.contract.protocol import CRASH_LIMIT
from support.polling import eventually

JOBS = 400
SETTLE_DEADLINE = 60.0
"""Seconds after the load within which every job must have ended."""


@dataclass(frozen=True)
class Verdict:
    """What one run came to."""

    fault: str
    seed: int
    jobs: int
    lost: tuple[str, ...]
    """Good jobs that no handler has finished, and doomed ones that are not dead."""
    unsettled: tuple[str, ...]
    """Ids that Redis still knows as anything but dead, or as dead without reason."""
    duplicates: int
    """Handler runs beyond those the jobs' own outcomes called for."""
    stale: int
    """Settlements that Redis refused."""
    complaints: tuple[str, ...]
    """Whatever else is not as it should be; empty when all is well."""
    seconds: float

    @property
    def sound(self) -> bool:
        return not (self.lost or self.unsettled or self.complaints)


def most_repeats(losses: int, slots: int = SLOTS) -> int:
    """The bound: repeated runs ≤ leases of the sessions that were lost ≤ 2 * slots * losses.

    A worker holds a slot from the moment it asks for a job until the job has finished, and leases besides only what
    one lane is just telling Redis: what had finished when that lane spoke, which all had slots, so as many at most.
    """
    return 2 * slots * losses


async def run_once(fault: Fault, seed: int) -> Verdict:
    """Run it once."""
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="headrace-fault-") as directory:
        world = World(fault.setting, Path(directory), random.Random(seed))
        async with world:
            loading = asyncio.create_task(world.produce(JOBS))
            await eventually(lambda: len(world.lab.runs()) > JOBS // 8 or loading.done(), within=20)
            await fault.inject(world)
            await loading
            await eventually(world.idle, within=SETTLE_DEADLINE, every=0.1)
            exits = [await worker.stop() for worker in world.workers if worker.running]
            return await _judge(world, fault, seed, exits, begun)


async def _judge(world: World, fault: Fault, seed: int, exits: list[int], begun: float) -> Verdict:
    ended = world.lab.ended()
    starts = Counter(line.job for line in world.lab.runs() if line.event == "start")
    dead, doomed = await world.dead(), {job for job, kind in world.jobs.items() if kind in ("doomed", "greedy")}
    deaths = await world.deaths_of("greedy")
    findings, waiting = await world.audit()
    duplicates = sum(max(0, starts[job] - RUNS_CALLED_FOR[kind]) for job, kind in world.jobs.items())
    seen = await world.stats()
    kills = sum(cgroup.kills for cgroup in world.cgroups)
    done = sum(version.completed for version in seen.versions.values())
    complaints = {
        f"workers exited with {exits}": any(exits),
        f"the audit found {findings}": bool(findings),
        f"{duplicates} runs too many": duplicates > 0 and not (fault.losses or fault.may_forget),
        f"{duplicates} runs too many for {seen.crashed} leases lost": duplicates > seen.crashed and fault.losses > 0,
        f"{seen.crashed} leases lost with {fault.losses} workers": seen.crashed > most_repeats(fault.losses) > 0,
        f"{seen.enqueued} jobs enqueued in Redis": seen.enqueued != len(world.jobs),
        f"{done} settled as done, of {len(world.jobs) - len(doomed)}": done != len(world.jobs) - len(doomed),
        "no worker noticed that it had lost its lease": fault.makes_stale and not _lease_losses(world),
        "jobs that nobody enqueued have run": bool(set(starts) - set(world.jobs)),
        "a job was charged what others or their worker did": _overcharged(world),
        f"the kernel killed {kills} workers": kills != fault.out_of_memory,
        f"greedy jobs were buried after {deaths}": any(crashes != CRASH_LIMIT for crashes in deaths.values()),
    }
    return Verdict(
        fault=fault.name,
        seed=seed,
        jobs=len(world.jobs),
        lost=tuple(sorted({*(set(world.jobs) - doomed - set(ended)), *(doomed - dead)})),
        unsettled=tuple(sorted(dead - doomed)) + (f"{waiting} not dead",) * (waiting > 0),
        duplicates=duplicates,
        stale=seen.stale,
        complaints=tuple(text for text, wrong in complaints.items() if wrong),
        seconds=time.monotonic() - begun,
    )


def _overcharged(world: World) -> bool:
    """A job had more attempts than its own failures account for."""
    return any(
        line.attempt > RUNS_CALLED_FOR[world.jobs[line.job]] for line in world.lab.runs() if line.job in world.jobs
    )


def _lease_losses(world: World) -> int:
    return sum(len(worker.lines("the lease was lost; starting a new session")) for worker in world.workers)
