"""When to look at a WorkerQueue again, if nothing is heard before. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from headrace_operator.api.status import ReplayStatus
from headrace_operator.core.decision import Decision
from headrace_operator.core.observation import Observation
from headrace_operator.core.rollout import Phase, Plan
from headrace_operator.reconcile.replay_run import FINAL
from headrace_operator.reconcile.settings import ReconcileSettings

_AT_ONCE = 0.02


@dataclass(frozen=True)
class Pace:
    """So many seconds from now; `gone`: never, nothing is left of it."""

    seconds: float
    gone: bool = False


def pace(
    plan: Plan,
    decision: Decision,
    seen: Observation,
    replay: ReplayStatus | None,
    now: float,
    settings: ReconcileSettings,
) -> Pace:
    """At once after a move, soon while something moves, at the time the decision names, else after a rest."""
    if plan.steps:
        return Pace(_AT_ONCE)
    ending = any(version.terminating for version in seen.versions)
    replaying = replay is not None and replay.phase not in FINAL
    times = [settings.rest]
    if not _at_rest(plan, decision, seen) or ending or replaying:
        times.append(settings.moving)
    if decision.next_eligible is not None:
        times.append(max(decision.next_eligible - now, _AT_ONCE))
    return Pace(min(times))


def _at_rest(plan: Plan, decision: Decision, seen: Observation) -> bool:
    """Nothing moves, and time alone changes nothing."""
    if plan.phase is Phase.CANARY:
        return seen.replicas == 0
    if plan.phase is Phase.ROLLED_BACK:
        return seen.ready_replicas == seen.replicas == decision.desired
    return plan.phase is Phase.COMPLETE
