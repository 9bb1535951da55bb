"""Moves the trial of a new version on, and tells Redis whose failures are charged to no job."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

from headrace.contract.protocol import TRIAL_MS
from headrace.errors import HeadraceError
from headrace_operator.api.status import RolloutStatus
from headrace_operator.core.evidence import Work, tally
from headrace_operator.core.observation import Observation, Unavailable, Unknown
from headrace_operator.core.rollout import Trial
from headrace_operator.core.trial import Seen, Stage, advance
from headrace_operator.reconcile.observe import known
from headrace_operator.reconcile.record import Record
from headrace_operator.reconcile.world import World

log = logging.getLogger(__name__)


def judge_rollout(seen: Observation, record: Record, world: World, now: float) -> RolloutStatus | None:
    """Where the rollout stands now; None without a gate."""
    if not world.settings.gate:
        return None
    last = record.status.rollout if record.status else None
    away = isinstance(seen.stats, Unavailable) and seen.stats.reason is not Unknown.NOT_YET_READ
    return advance(last, record.spec.rollout, Seen(seen.versions, seen.target, work_of(record), now, away))


def work_of(record: Record) -> Work | None:
    """What its versions have done, all queues together; None unless it is known of every queue."""
    stats = known(record)
    if not record.followed or len(stats) < len(record.followed):
        return None
    work = tally(list(stats.values()))
    return replace(work, paused=work.paused or record.spec.paused)


def as_judged(seen: Observation, rollout: RolloutStatus | None) -> Observation:
    """`seen` with the version that is to run, which may be another one than the spec asks for."""
    if rollout is None:
        return seen
    if rollout.phase == Stage.ROLLED_BACK:
        return replace(seen, target=rollout.stable)
    return replace(seen, canary=rollout.candidate if rollout.phase == Stage.CANARY else None)


async def tend_trial(rollout: RolloutStatus | None, seen: Observation, record: Record, world: World) -> Trial | None:
    """What the plan has to heed. Before a canary starts, its failures are charged to no job, or it doesn't start."""
    if rollout is None:
        return None
    marked = seen.owned_by is None and await _mark(rollout.unproven, record)
    version = rollout.candidate or rollout.failed_version
    if rollout.phase == Stage.COMPLETE or version is None:
        return None
    may_start = marked and rollout.candidate_before is not None
    return Trial(Stage(rollout.phase), version, rollout.stable, rollout.message, may_start)


async def _mark(versions: Sequence[str], record: Record) -> bool:
    """Whether all of its queues are known to have just these versions on trial."""
    stats = known(record)
    for name in record.followed:
        found = stats.get(name)
        if found is None or record.watch is None:
            return False
        fresh = not versions or found.trial_left_ms > TRIAL_MS // 2
        if set(found.trial) == set(versions) and fresh:
            continue
        try:
            await record.watch.admin(name).control.put_on_trial(versions)
        except HeadraceError as error:
            log.warning("%s: queue %s can't be told of the trial: %s", record.key, name, error)
            return False
    return True
