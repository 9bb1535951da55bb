"""Looks for what speaks against more workers, and moves the breaker on."""

from __future__ import annotations

from dataclasses import replace

from headrace_operator.api.status import BreakerStatus, RolloutStatus
from headrace_operator.core.breaker import advance, usual_percent
from headrace_operator.core.observation import Observation
from headrace_operator.core.symptoms import Sight, remember, symptoms, tried
from headrace_operator.reconcile.record import Record
from headrace_operator.reconcile.trial import work_of


def tend_breaker(seen: Observation, rollout: RolloutStatus | None, record: Record, now: float) -> BreakerStatus | None:
    """Where the breaker stands now; None where the spec has none."""
    spec = record.spec.scaling.breaker
    last = record.status.breaker if record.status else None
    sight = Sight(seen, work_of(record), tried(seen, rollout), now, record.recent)
    record.recent = remember(spec, sight)
    return advance(last, spec, symptoms(spec, replace(sight, recent=record.recent), usual_percent(last)), now)
