"""The conditions of a WorkerQueue: which there are, what their reasons mean, and when they changed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, assert_never

from headrace_operator.api.redact import for_people
from headrace_operator.api.spec import WorkerQueueSpec
from headrace_operator.api.status import BreakerStatus, Condition, ReplayStatus, WorkerQueueStatus
from headrace_operator.core.breaker import is_open
from headrace_operator.core.clock import timestamp
from headrace_operator.core.decision import Decision
from headrace_operator.core.observation import Observation, Totals, Unavailable, Unknown
from headrace_operator.core.replay_request import ReplayPhase
from headrace_operator.core.rollout import Phase, Plan

AUTOSCALER_SECONDS: Final = 600
"""The cluster autoscaler's --max-graceful-termination-sec by default: longer graces of pods are cut to that."""


class ConditionType(StrEnum):
    """Aspects of a WorkerQueue."""

    READY = "Ready"
    """The spec makes sense and the queues are ours; says nothing about a passing outage."""
    PROGRESSING = "Progressing"
    """Workers are being added, taken away or replaced."""
    ACTIVE = "Active"
    """Workers are wanted."""
    BREAKER_OPEN = "BreakerOpen"
    """The fleet doesn't grow; only there where the spec has a breaker, its reasons then are those of BreakerReason."""
    PAUSED = "Paused"
    DEAD_LETTERS_PRESENT = "DeadLettersPresent"
    REPLAYING = "Replaying"
    """Dead letters are being run again; only there once somebody has asked, its reasons are those of ReplayPhase."""
    DRAIN_GRACE_TOO_LONG = "DrainGraceTooLong"
    """Some who clear nodes will not wait as long as a drain may take; only there while that is so."""
    REDIS_AVAILABLE = "RedisAvailable"
    """The queues' numbers can be read; its reasons when they can't are those of observation.Unknown."""


class ConditionReason(StrEnum):
    """Why a condition has its status, in one word."""

    ACCEPTED = "Accepted"
    """Ready: the spec makes sense."""
    INVALID_SPEC = "InvalidSpec"
    """Not Ready: the message names the field; the last good spec stays in force."""
    QUEUE_OWNED_ELSEWHERE = "QueueOwnedElsewhere"
    """Not Ready: another WorkerQueue serves one of the queues."""
    ROLLING_OUT = "RollingOut"
    """Progressing: workers of an old version are being replaced."""
    SCALING = "Scaling"
    """Progressing: workers start, are still to be started, or leave once idle."""
    UP_TO_DATE = "UpToDate"
    """Not Progressing: all is as wanted."""
    VERSION_FAILING = "VersionFailing"
    """Not Progressing: workers of the wanted version can't run."""
    CANARY = "Canary"
    """Progressing: one worker of a new version is tried out beside the old ones."""
    ROLLED_BACK = "RolledBack"
    """Not Progressing: the wanted version has failed, the one before it serves."""
    WORKERS_WANTED = "WorkersWanted"
    """Active."""
    SCALED_TO_ZERO = "ScaledToZero"
    """Not Active."""
    BREAKER_CLOSED = "BreakerClosed"
    """Not BreakerOpen: the fleet may grow."""
    PAUSED_BY_SPEC = "PausedBySpec"
    """Paused: spec.paused."""
    PAUSED_IN_REDIS = "PausedInRedis"
    """Paused: every queue, or the ones in the message, by command."""
    NOT_PAUSED = "NotPaused"
    DEAD_LETTERS = "DeadLetters"
    """DeadLettersPresent: there are some."""
    NO_DEAD_LETTERS = "NoDeadLetters"
    OVER_AUTOSCALER_LIMIT = "OverAutoscalerLimit"
    """DrainGraceTooLong: the cluster autoscaler waits AUTOSCALER_SECONDS for a pod to end, unless told otherwise."""
    REACHABLE = "Reachable"
    """RedisAvailable."""
    STATS_UNAVAILABLE = "StatsUnavailable"
    """Unknown: the queues' numbers have never been read."""


@dataclass(frozen=True)
class Finding:
    """A condition before it is compared with the last one."""

    type: ConditionType
    status: str
    reason: str
    message: str = ""


def findings(
    spec: WorkerQueueSpec,
    previous: WorkerQueueStatus | None,
    *,
    seen: Observation,
    decision: Decision,
    plan: Plan,
    breaker: BreakerStatus | None,
    replay: ReplayStatus | None,
) -> list[Finding]:
    """Every condition, in the order of ConditionType."""
    return [
        _ready(seen),
        _progressing(plan),
        _active(decision),
        *_breaker(breaker),
        _paused(spec, previous, seen),
        _dead_letters(previous, seen),
        *_replaying(replay),
        *_grace(spec),
        _redis(seen),
    ]


def conditions(
    previous: WorkerQueueStatus | None, found: Iterable[Finding], generation: int, now: float
) -> tuple[Condition, ...]:
    """`found` as conditions of that generation; lastTransitionTime moves only when a status does."""
    before = {} if previous is None else {condition.type: condition for condition in previous.conditions}
    made = []
    for finding in found:
        last = before.get(finding.type)
        unchanged = last is not None and last.status == finding.status
        made.append(
            Condition(
                type=finding.type,
                status=finding.status,
                observed_generation=generation,
                last_transition_time=last.last_transition_time if last and unchanged else timestamp(now),
                reason=finding.reason,
                message=for_people(finding.message),
            )
        )
    return tuple(made)


def condition(status: WorkerQueueStatus | None, wanted: ConditionType) -> Condition | None:
    """The condition of that type, if it is there."""
    if status is None:
        return None
    return next((one for one in status.conditions if one.type == wanted), None)


def _ready(seen: Observation) -> Finding:
    if seen.owned_by is not None:
        message = f"{seen.owned_by} serves one of the queues; a queue in Redis belongs to one WorkerQueue"
        return Finding(ConditionType.READY, "False", ConditionReason.QUEUE_OWNED_ELSEWHERE, message)
    return Finding(ConditionType.READY, "True", ConditionReason.ACCEPTED, "the spec is in force")


def _progressing(plan: Plan) -> Finding:
    match plan.phase:
        case Phase.ROLLING_OUT:
            status, reason = "True", ConditionReason.ROLLING_OUT
        case Phase.SCALING:
            status, reason = "True", ConditionReason.SCALING
        case Phase.COMPLETE:
            status, reason = "False", ConditionReason.UP_TO_DATE
        case Phase.FAILING:
            status, reason = "False", ConditionReason.VERSION_FAILING
        case Phase.CANARY:
            status, reason = "True", ConditionReason.CANARY
        case Phase.ROLLED_BACK:
            status, reason = "False", ConditionReason.ROLLED_BACK
        case _:
            assert_never(plan.phase)
    return Finding(ConditionType.PROGRESSING, status, reason, plan.message)


def _active(decision: Decision) -> Finding:
    if decision.desired:
        return Finding(ConditionType.ACTIVE, "True", ConditionReason.WORKERS_WANTED, decision.message)
    return Finding(ConditionType.ACTIVE, "False", ConditionReason.SCALED_TO_ZERO, decision.message)


def _breaker(breaker: BreakerStatus | None) -> list[Finding]:
    if breaker is None:
        return []
    if is_open(breaker):
        return [Finding(ConditionType.BREAKER_OPEN, "True", breaker.reason, breaker.message)]
    return [Finding(ConditionType.BREAKER_OPEN, "False", ConditionReason.BREAKER_CLOSED)]


def _paused(spec: WorkerQueueSpec, previous: WorkerQueueStatus | None, seen: Observation) -> Finding:
    kind = ConditionType.PAUSED
    if spec.paused:
        return Finding(kind, "True", ConditionReason.PAUSED_BY_SPEC, "no job is started")
    match seen.stats:
        case Unavailable():
            last = condition(previous, kind)
            if last is not None and last.reason == ConditionReason.PAUSED_IN_REDIS:
                return Finding(kind, last.status, last.reason, last.message)
        case Totals(paused=names) if names:
            message = f"no job is started from {', '.join(names)}"
            return Finding(kind, "True", ConditionReason.PAUSED_IN_REDIS, message)
        case Totals():
            pass
        case _:
            assert_never(seen.stats)
    return Finding(kind, "False", ConditionReason.NOT_PAUSED)


def _dead_letters(previous: WorkerQueueStatus | None, seen: Observation) -> Finding:
    kind = ConditionType.DEAD_LETTERS_PRESENT
    match seen.stats:
        case Unavailable():
            last = condition(previous, kind)
            if last is None:
                return Finding(kind, "Unknown", ConditionReason.STATS_UNAVAILABLE)
            return Finding(kind, last.status, last.reason, last.message)
        case Totals(dead=0):
            return Finding(kind, "False", ConditionReason.NO_DEAD_LETTERS)
        case Totals(dead=dead):
            top = max(seen.dead_by_reason.items(), key=lambda entry: entry[1], default=None)
            mostly = f", most often {top[0]} ({top[1]})" if top else ""
            noun = "dead letter" if dead == 1 else "dead letters"
            return Finding(kind, "True", ConditionReason.DEAD_LETTERS, f"{dead} {noun}{mostly}")
        case _:
            assert_never(seen.stats)


def _replaying(replay: ReplayStatus | None) -> list[Finding]:
    if replay is None:
        return []
    status = "True" if replay.phase in (ReplayPhase.ACCEPTED, ReplayPhase.RUNNING) else "False"
    message = f"{replay.request_id}: {replay.message or replay.request}"
    return [Finding(ConditionType.REPLAYING, status, replay.phase, message)]


def _grace(spec: WorkerQueueSpec) -> list[Finding]:
    wanted = spec.drain.termination_seconds
    if wanted <= AUTOSCALER_SECONDS:
        return []
    message = (
        f"spec.drain.graceSeconds of {spec.drain.grace_seconds} lets a pod end within {wanted} s, and the cluster "
        f"autoscaler waits {AUTOSCALER_SECONDS} s by default: raise its --max-graceful-termination-sec, or jobs that "
        "still run then are given to other workers"
    )
    return [Finding(ConditionType.DRAIN_GRACE_TOO_LONG, "True", ConditionReason.OVER_AUTOSCALER_LIMIT, message)]


def _redis(seen: Observation) -> Finding:
    kind = ConditionType.REDIS_AVAILABLE
    match seen.stats:
        case Totals():
            return Finding(kind, "True", ConditionReason.REACHABLE)
        case Unavailable(reason=Unknown.NOT_YET_READ, message=message):
            return Finding(kind, "Unknown", Unknown.NOT_YET_READ, message)
        case Unavailable(reason=reason, message=message):
            return Finding(kind, "False", reason, message)
        case _:
            assert_never(seen.stats)
