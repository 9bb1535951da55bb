"""The status that follows from a reconcile, and whether it is worth a write. Bounded, redacted, without payloads."""

from __future__ import annotations

from dataclasses import asdict
from typing import Final

from headrace_operator.api.names import selector
from headrace_operator.api.redact import for_people
from headrace_operator.api.status import (
    DECISIONS_KEPT,
    REASONS_KEPT,
    VERSIONS_KEPT,
    BreakerStatus,
    DeadLetters,
    DecisionInputs,
    DecisionStatus,
    QueueNumbers,
    ReasonCount,
    ReplayStatus,
    RolloutStatus,
    VersionStatus,
    WorkerQueueStatus,
)
from headrace_operator.api.worker_queue import WorkerQueue
from headrace_operator.core.clock import optional_timestamp, timestamp
from headrace_operator.core.conditions import (
    ConditionReason,
    ConditionType,
    Finding,
    conditions,
    findings,
)
from headrace_operator.core.decision import Decision
from headrace_operator.core.observation import Observation, Totals
from headrace_operator.core.rollout import Plan
from headrace_operator.seams.runtime import VersionState

STATUS_SECONDS: Final = 30.0
"""Least time between two writes that report nothing but other numbers."""
_WORD_LENGTH = 253
_MERE_NUMBERS = ("jobs", "failed", "message", "ready_time", "wanted_time")


def summarise(
    queue: WorkerQueue,
    previous: WorkerQueueStatus | None,
    *,
    seen: Observation,
    decision: Decision,
    plan: Plan,
    rollout: RolloutStatus | None = None,
    breaker: BreakerStatus | None = None,
    replay: ReplayStatus | None = None,
    now: float,
) -> WorkerQueueStatus:
    """The status after one reconcile of `queue` at `now` (Unix seconds).

    `previous` is the last status, written or not. Numbers that are unknown stay as they were last seen. `replay` is
    the replay as it stands; None keeps the previous one.
    """
    last = _decision(previous, decision, now)
    replay = replay or (previous.replay if previous else None)
    found = findings(queue.spec, previous, seen=seen, decision=decision, plan=plan, breaker=breaker, replay=replay)
    return WorkerQueueStatus(
        observed_generation=queue.metadata.generation,
        replicas=seen.replicas,
        ready_replicas=seen.ready_replicas,
        selector=selector(queue.key),
        queue=_numbers(previous, seen),
        dead_letters=_dead_letters(previous, seen),
        versions=_versions(queue, seen),
        last_decision=last,
        decisions=_decisions(previous, last),
        rollout=rollout,
        breaker=breaker,
        replay=replay,
        conditions=conditions(previous, found, queue.metadata.generation, now),
    )


def summarise_refused(
    previous: WorkerQueueStatus | None, problem: str, generation: int, now: float
) -> WorkerQueueStatus:
    """The status of a WorkerQueue whose spec can't be understood: all as before, but not Ready."""
    ready = Finding(ConditionType.READY, "False", ConditionReason.INVALID_SPEC, problem)
    before = previous or WorkerQueueStatus()
    others = tuple(one for one in before.conditions if one.type != ConditionType.READY)
    own = conditions(previous, [ready], generation, now)
    return before.model_copy(update={"observed_generation": generation, "conditions": (*own, *others)})


def worth_writing(old: WorkerQueueStatus | None, new: WorkerQueueStatus, last_write: float | None, now: float) -> bool:
    """Whether `new` should replace `old`, which was written at `last_write` (None: by somebody else, long ago).

    At once for a transition, at most every STATUS_SECONDS for mere numbers, never for nothing.
    """
    if old == new:
        return False
    if old is None or last_write is None or _turning_points(old) != _turning_points(new):
        return True
    return now - last_write >= STATUS_SECONDS


def _turning_points(status: WorkerQueueStatus) -> tuple[object, ...]:
    """All that must not wait."""
    decision, replay, rollout = status.last_decision, status.replay, status.rollout
    breaker = status.breaker
    return (
        status.observed_generation,
        status.replicas,
        status.ready_replicas,
        status.selector,
        [(one.type, one.status, one.reason, one.observed_generation) for one in status.conditions],
        [(one.hash, one.phase, one.desired, one.terminating == 0) for one in status.versions],
        decision and (decision.desired, decision.reason, decision.limited_by),
        rollout and (rollout.model_copy(update=dict.fromkeys(_MERE_NUMBERS)), rollout.ready_time is None),
        breaker and (breaker.state, breaker.reason, breaker.clear_time is None),
        replay and (replay.request_id, replay.phase, replay.message),
    )


def _numbers(previous: WorkerQueueStatus | None, seen: Observation) -> QueueNumbers | None:
    if not isinstance(seen.stats, Totals):
        return previous.queue if previous else None
    return QueueNumbers(
        ready=seen.stats.ready + seen.stats.due,
        scheduled=seen.stats.scheduled,
        leased=seen.stats.leased,
        dead=seen.stats.dead,
        oldest_ready_time=optional_timestamp(seen.stats.oldest_ready),
    )


def _dead_letters(previous: WorkerQueueStatus | None, seen: Observation) -> DeadLetters | None:
    if not isinstance(seen.stats, Totals):
        return previous.dead_letters if previous else None
    frequent = sorted(seen.dead_by_reason.items(), key=lambda entry: (-entry[1], entry[0]))[:REASONS_KEPT]
    return DeadLetters(
        total=seen.stats.dead,
        oldest_time=optional_timestamp(seen.stats.oldest_dead),
        by_reason=tuple(
            ReasonCount(reason=for_people(reason, _WORD_LENGTH), count=count) for reason, count in frequent if count
        ),
    )


def _versions(queue: WorkerQueue, seen: Observation) -> tuple[VersionStatus, ...]:
    def rank(version: VersionState) -> tuple[bool, float]:
        return version.hash != seen.target, -version.created

    shown = sorted(seen.versions, key=rank)[:VERSIONS_KEPT]
    return tuple(
        VersionStatus(
            hash=version.hash,
            app=version.app or (queue.spec.worker.app if version.hash == seen.target else ""),
            image=version.image or (queue.spec.worker.image or "" if version.hash == seen.target else ""),
            desired=version.desired,
            ready=version.ready,
            terminating=version.terminating,
            phase=_phase(version, seen),
        )
        for version in shown
    )


def _phase(version: VersionState, seen: Observation) -> str:
    if version.failing is not None:
        return "Failing"
    if version.hash == seen.canary:
        return "Canary"
    if version.hash != seen.target and (seen.canary is None or version.desired == 0):
        return "Retiring"
    return "Current" if version.ready >= version.desired else "Starting"


def _decision(previous: WorkerQueueStatus | None, decision: Decision, now: float) -> DecisionStatus:
    made = DecisionStatus(
        time=timestamp(now),
        desired=decision.desired,
        reason=decision.reason,
        message=for_people(decision.message),
        inputs=DecisionInputs(**asdict(decision.inputs)),
        limited_by=decision.limited_by,
        next_eligible_time=optional_timestamp(decision.next_eligible),
    )
    last = previous.last_decision if previous else None
    same = last is not None and (last.desired, last.reason, last.limited_by) == (
        made.desired,
        made.reason,
        made.limited_by,
    )
    return made.model_copy(update={"time": last.time}) if last and same else made


def _decisions(previous: WorkerQueueStatus | None, last: DecisionStatus) -> tuple[DecisionStatus, ...]:
    """Every change of the number, newest first."""
    before = previous.decisions if previous else ()
    was = previous.last_decision.desired if previous and previous.last_decision else 0
    return before if last.desired == was else (last, *before)[:DECISIONS_KEPT]
