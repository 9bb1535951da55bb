"""Faults on the cluster, with busy workers and with none: what must hold is operator_faults.trial's affair."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final

from e2e.scenarios.breaks import FAULTS, Fault
from e2e.scenarios.failover import fail_back
from e2e.scenarios.ground import ClusterGround, cluster_ground
from e2e.scenarios.stage import Stage

from operator_faults.trial import RECOVERY_SECONDS, Fleet, Trial

FLEETS: Final = (Fleet.BUSY, Fleet.EMPTY)


@dataclass(frozen=True)
class Survived:
    """One fault on one fleet."""

    fault: str
    fleet: str
    seconds_to_say: float
    """Until the condition named the reason; 0 where none is due."""
    recovery: float
    """From the healing until the fleet was made to grow for its queue."""
    complaints: str
    """Empty when all is well."""

    @property
    def sound(self) -> bool:
        """Everything that must hold held."""
        return not self.complaints


async def faults(
    stage: Stage, *, count: int, outage: float = 60.0, names: Sequence[str] = (), slack: float = 1.0
) -> AsyncIterator[Survived]:
    """`count` trials, fault by fault (those in `names`, or all), each on a busy fleet and on an empty one.

    `slack` lengthens the time that a recovery may take, for machines that have other things to do.
    """
    chosen = [fault for fault in FAULTS if fault.name in names or not names]
    async with cluster_ground(stage) as ground:
        rounds = itertools.cycle(itertools.product(chosen, FLEETS))
        for _, (fault, fleet) in zip(range(count), rounds, strict=False):
            yield await _tried(ground, fault, fleet, outage, slack)


async def _tried(ground: ClusterGround, fault: Fault, fleet: Fleet, outage: float, slack: float) -> Survived:
    trial = Trial(
        name=fault.name,
        broken=fault.make(ground),
        ground=ground,
        says=fault.says,
        takes_jobs=fault.takes_jobs,
        outage=outage if fault.lasts else 0.0,
        limit=RECOVERY_SECONDS * slack,
    )
    verdict = await trial.run(fleet)
    await fail_back(ground)
    return Survived(
        fault=fault.name,
        fleet=fleet,
        seconds_to_say=round(verdict.seconds_to_say or 0.0, 1),
        recovery=round(verdict.recovery, 2),
        complaints="; ".join(verdict.complaints),
    )
