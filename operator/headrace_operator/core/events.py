"""What to tell people when a status turns into another: Kubernetes events, on transitions only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from headrace_operator.api.status import ReplayStatus, WorkerQueueStatus
from headrace_operator.core.conditions import ConditionReason, ConditionType, condition
from headrace_operator.core.replay_request import ReplayPhase
from headrace_operator.seams.objects import EventKind


@dataclass(frozen=True)
class Event:
    """One line in `kubectl describe`."""

    kind: EventKind
    reason: str
    message: str


def events(old: WorkerQueueStatus | None, new: WorkerQueueStatus) -> list[Event]:
    """What happened between the last written status `old` and `new`, which is about to be written."""
    return [
        *_validity(old, new),
        *_scaling(old, new),
        *_breaker(old, new),
        *_rollout(old, new),
        *_pause(old, new),
        *_redis(old, new),
        *_dead_letters(old, new),
        *_replay(old.replay if old else None, new.replay),
    ]


def _validity(old: WorkerQueueStatus | None, new: WorkerQueueStatus) -> Iterator[Event]:
    before, now = condition(old, ConditionType.READY), condition(new, ConditionType.READY)
    if now is None:
        return
    if now.status == "False" and (before is None or (before.reason, before.message) != (now.reason, now.message)):
        yield Event(EventKind.WARNING, now.reason, now.message)
    elif now.status == "True" and before is not None and before.status == "False":
        yield Event(EventKind.NORMAL, now.reason, now.message)


def _scaling(old: WorkerQueueStatus | None, new: WorkerQueueStatus) -> Iterator[Event]:
    was = old.last_decision.desired if old and old.last_decision else 0
    if new.last_decision and new.last_decision.desired != was:
        decision = new.last_decision
        message = f"from {was} to {decision.desired} workers ({decision.reason}): {decision.message}"
        yield Event(EventKind.NORMAL, "Scaled", message)


def _breaker(old: WorkerQueueStatus | None, new: WorkerQueueStatus) -> Iterator[Event]:
    before, now = condition(old, ConditionType.BREAKER_OPEN), condition(new, ConditionType.BREAKER_OPEN)
    was = before.reason if before and before.status == "True" else None
    if now is not None and now.status == "True" and now.reason != was:
        yield Event(EventKind.WARNING, "BreakerOpened", f"{now.message} ({now.reason}); no workers are added")
    elif was is not None and (now is None or now.status == "False"):
        why = f"no more {was}" if now else "the spec has no breaker any more"
        yield Event(EventKind.NORMAL, "BreakerClosed", f"{why}; workers may be added again")


def _rollout(old: WorkerQueueStatus | None, new: WorkerQueueStatus) -> Iterator[Event]:
    before, now = condition(old, ConditionType.PROGRESSING), condition(new, ConditionType.PROGRESSING)
    was = before.reason if before else ConditionReason.UP_TO_DATE
    another = _candidate(new) is not None and _candidate(old) not in (None, _candidate(new))
    if now is None or (now.reason == was and not another):
        return
    match now.reason:
        case ConditionReason.CANARY:
            if another or was not in (ConditionReason.ROLLING_OUT, ConditionReason.VERSION_FAILING):
                yield Event(EventKind.NORMAL, "RolloutStarted", now.message)
        case ConditionReason.ROLLING_OUT:
            if was == ConditionReason.CANARY:
                passed = f"{new.rollout.message}; " if new.rollout else ""
                yield Event(EventKind.NORMAL, "CanaryPassed", f"{passed}{now.message}")
            elif was != ConditionReason.VERSION_FAILING:
                yield Event(EventKind.NORMAL, "RolloutStarted", now.message)
        case ConditionReason.VERSION_FAILING:
            yield Event(EventKind.WARNING, "VersionFailing", now.message)
        case ConditionReason.ROLLED_BACK:
            yield Event(EventKind.WARNING, "RolledBack", now.message)
        case _ if was in (ConditionReason.ROLLING_OUT, ConditionReason.CANARY):
            yield Event(EventKind.NORMAL, "RolloutFinished", now.message)


def _candidate(status: WorkerQueueStatus | None) -> str | None:
    return status.rollout.candidate if status and status.rollout else None


def _pause(old: WorkerQueueStatus | None, new: WorkerQueueStatus) -> Iterator[Event]:
    before, now = condition(old, ConditionType.PAUSED), condition(new, ConditionType.PAUSED)
    was = before.status if before else "False"
    if now is not None and now.status != was:
        reason = "Paused" if now.status == "True" else "Resumed"
        yield Event(EventKind.NORMAL, reason, now.message or "jobs are started again")


def _redis(old: WorkerQueueStatus | None, new: WorkerQueueStatus) -> Iterator[Event]:
    before, now = condition(old, ConditionType.REDIS_AVAILABLE), condition(new, ConditionType.REDIS_AVAILABLE)
    was = before.status if before else "Unknown"
    if now is None or now.status == was:
        return
    if now.status == "False":
        message = f"{now.message} ({now.reason}); the number of workers stays"
        yield Event(EventKind.WARNING, "RedisUnavailable", message)
    elif now.status == "True" and was == "False":
        yield Event(EventKind.NORMAL, "RedisAvailable", "the queues can be read again")


def _dead_letters(old: WorkerQueueStatus | None, new: WorkerQueueStatus) -> Iterator[Event]:
    was = old.dead_letters.total if old and old.dead_letters else 0
    now = new.dead_letters.total if new.dead_letters else 0
    if now > was:
        found = condition(new, ConditionType.DEAD_LETTERS_PRESENT)
        yield Event(EventKind.WARNING, "DeadLettersGrew", f"{now - was} more: {found.message if found else now}")
    elif was and not now:
        yield Event(EventKind.NORMAL, "DeadLettersGone", "no dead letters are left")


def _replay(old: ReplayStatus | None, new: ReplayStatus | None) -> Iterator[Event]:
    if new is None or (old is not None and (old.request_id, old.phase) == (new.request_id, new.phase)):
        return
    asked = f" (by {new.by})" if new.by and new.message else ""
    message = f"{new.request_id}: {new.message or new.request}{asked}"
    match new.phase:
        case ReplayPhase.ACCEPTED:
            yield Event(EventKind.NORMAL, "ReplayAccepted", message)
        case ReplayPhase.COMPLETED:
            yield Event(EventKind.NORMAL, "ReplayFinished", message)
        case ReplayPhase.CANCELLED:
            yield Event(EventKind.NORMAL, "ReplayCancelled", message)
        case ReplayPhase.FAILED:
            yield Event(EventKind.WARNING, "ReplayFailed", message)
        case ReplayPhase.REFUSED:
            yield Event(EventKind.WARNING, "ReplayRefused", message)
