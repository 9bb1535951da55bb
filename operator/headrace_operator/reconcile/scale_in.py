"""Carries out a scale-in: cordons in Redis, aims and counts in the runtime. What to do when is core/scale_in's."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Mapping
from typing import assert_never

from headrace.contract.stats import QueueStats
from headrace_operator.core.departure import Departure
from headrace_operator.core.member import members, sessions
from headrace_operator.core.observation import Observation, Unavailable
from headrace_operator.core.scale_in import (
    CORDON_SECONDS,
    LONGEST_PATIENCE,
    Aim,
    Cordon,
    Fleet,
    Lift,
    Limits,
    Lower,
    Lowering,
    ScaleIn,
    plan_scale_in,
)
from headrace_operator.reconcile.observe import known
from headrace_operator.reconcile.record import Record
from headrace_operator.reconcile.world import World

log = logging.getLogger(__name__)


async def tend_scale_in(lowering: Lowering | None, seen: Observation, record: Record, world: World) -> str:
    """Go on with a scale-in, or back from one that is no more; what it waits for. Raises HeadraceErrors."""
    stats = known(record)
    fleet = _fleet(seen, record, stats)
    limits = Limits(
        patience=min(record.spec.drain.grace_seconds, LONGEST_PATIENCE),
        settle=0.0 if world.settings.exact_runtime else world.settings.aim_settle,
    )
    found = plan_scale_in(fleet, lowering, record.scale_in, limits, world.now())
    record.scale_in = found.memory
    if found.left is not None:
        _tell(found.left, record)
        world.listener.left(record.key, found.left)
    if fleet is not None:
        await _carry_out(found, fleet, stats, record, world)
    return found.message


def _fleet(seen: Observation, record: Record, stats: Mapping[str, QueueStats]) -> Fleet | None:
    """None unless all of its queues are known, and ours."""
    if isinstance(seen.stats, Unavailable) or seen.owned_by is not None or len(stats) < len(record.followed):
        return None
    desired = {version.hash: version.desired for version in seen.versions}
    return Fleet(members(seen.workers, list(stats.values())), desired)


async def _carry_out(
    found: ScaleIn, fleet: Fleet, stats: Mapping[str, QueueStats], record: Record, world: World
) -> None:
    leases: Mapping[str, int] = {}
    for step in found.steps:
        log.debug("%s: %s", record.key, step)
        match step:
            case Cordon(workers):
                leases = await _cordon(workers, CORDON_SECONDS, stats, record)
            case Lift(workers):
                await _cordon(workers, 0, stats, record)
            case Aim(workers):
                await world.runtime.aim(record.key, workers)
            case Lower(version, replicas, _, idle):
                # The cordon just renewed has told what they hold now; the reading may be older than the cordon.
                if not any(leases.get(worker) for worker in idle):
                    await world.runtime.scale(record.key, version, replicas)
                    record.scale_in = record.scale_in.lowered(step, fleet)
            case _:
                assert_never(step)


async def _cordon(
    workers: Collection[str], seconds: float, stats: Mapping[str, QueueStats], record: Record
) -> Mapping[str, int]:
    """How many jobs each worker holds, on all queues together."""
    assert record.watch is not None
    leases: Counter[str] = Counter()
    for name, found in sessions(workers, stats).items():
        held = await record.watch.admin(name).control.cordon(list(found), round(seconds * 1000))
        for sid, count in held.items():
            leases[found[sid]] += count
    return leases


def _tell(left: Departure, record: Record) -> None:
    fields = {"idle": left.idle, "drained": left.drained, "others": left.others}
    log.info("%s: scaled in %s", record.key, left, extra={"fields": {"queue": str(record.key)} | fields})
