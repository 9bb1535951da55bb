"""What is seen of workers and runs that speaks against more workers. Pure; judges what is there, decides nothing.

What isn't known is no symptom, and no sign of health either. Versions on trial are the gate's matter: neither their
workers nor their runs count here, nor do those of a version that is just replacing another one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from headrace_operator.api.breaker import Breaker
from headrace_operator.api.status import RolloutStatus
from headrace_operator.core.evidence import Runs, Work
from headrace_operator.core.observation import Observation, Unavailable, Unknown
from headrace_operator.core.run_window import RunWindow
from headrace_operator.seams.runtime import TroubleKind, WorkerPhase, WorkerState


class BreakerReason(StrEnum):
    """Why more workers would help nobody, the most telling first."""

    CRASH_LOOP = "CrashLoop"
    """Half of the workers or more end again and again, soon after each start."""
    UNSCHEDULABLE = "Unschedulable"
    """Workers have found no node for too long."""
    FAILURE_SPIKE = "FailureSpike"
    """Far more runs fail than before."""


@dataclass(frozen=True)
class Symptom:
    """A reason that is there."""

    reason: BreakerReason
    message: str
    """One sentence with the numbers."""
    usual_percent: float | None = None
    """Of failed runs, before the spike."""


@dataclass(frozen=True)
class Symptoms:
    """All that is known."""

    present: tuple[Symptom, ...] = ()
    """In the order of BreakerReason."""
    unclear: frozenset[BreakerReason] = frozenset()
    """Nobody can tell whether these are there."""

    def of(self, reason: str) -> Symptom | None:
        """The symptom of that reason, if it is there."""
        return next((one for one in self.present if one.reason == reason), None)


@dataclass(frozen=True)
class Recent:
    """What has to be remembered between two looks. Lost with the operator's memory: then less is known for a while."""

    window: RunWindow | None = None
    """Recent runs; None while they aren't known."""
    away_until: float = float("-inf")
    """Unix time at which Redis could last not be read."""


@dataclass(frozen=True)
class Sight:
    """What one look goes by."""

    seen: Observation
    work: Work | None
    """None when it isn't known, or not of every queue."""
    on_trial: frozenset[str]
    """Versions that don't count, see `tried`."""
    now: float
    """Unix seconds."""
    recent: Recent = field(default_factory=Recent)

    @property
    def away(self) -> bool:
        """Redis can't be read. Else what isn't known has merely not been read yet."""
        stats = self.seen.stats
        return isinstance(stats, Unavailable) and stats.reason is not Unknown.NOT_YET_READ

    @property
    def workers(self) -> list[WorkerState]:
        """Those that count."""
        alive = (one for one in self.seen.workers if one.phase is not WorkerPhase.TERMINATING)
        return [one for one in alive if one.version not in self.on_trial]


def tried(seen: Observation, rollout: RolloutStatus | None) -> frozenset[str]:
    """Versions whose failures are the rollout's matter: unproven ones, and one that is replacing another."""
    unproven = frozenset(rollout.unproven) if rollout else frozenset()
    others = [one for one in seen.versions if one.hash != seen.target and one.hash not in unproven]
    return unproven | ({seen.target} if any(one.desired for one in others) else set())


def remember(spec: Breaker, sight: Sight) -> Recent:
    """What is remembered after this look."""
    away_until = sight.now if sight.away else min(sight.recent.away_until, sight.now)
    if sight.work is None or sight.away:
        return Recent(None, away_until)
    window = sight.recent.window or RunWindow(sight.now, dict(sight.work.runs))
    window = window.after(sight.work.runs, sight.now, spec.window_seconds, sight.on_trial)
    return Recent(window, away_until)


def symptoms(spec: Breaker, sight: Sight, usual_percent: float | None = None) -> Symptoms:
    """What is there, once this look is remembered.

    `usual_percent` is what was usual before the spike that lasts; None finds it in all earlier runs.
    """
    if sight.work is None or sight.away:
        # Workers may end for Redis's sake, and wait for nodes that nobody would give them now.
        return Symptoms(unclear=frozenset(BreakerReason))
    spike, unclear = _spike(spec, sight, usual_percent)
    found = (_crash_loop(sight), _unschedulable(spec, sight), spike)
    return Symptoms(tuple(one for one in found if one is not None), unclear)


def _crash_loop(sight: Sight) -> Symptom | None:
    """Half of them or more: one may have a bad node, and what few do shows in their jobs."""
    workers = sight.workers
    crashing = [
        one
        for one in workers
        if one.trouble is not None
        and one.trouble.kind is TroubleKind.CRASH_LOOP
        and one.trouble.time > sight.recent.away_until
    ]
    if not crashing or 2 * len(crashing) < len(workers):
        return None
    who = "the only worker" if len(workers) == 1 else f"{len(crashing)} of {len(workers)} workers"
    does = "crashes" if len(crashing) == 1 else "crash"
    return Symptom(BreakerReason.CRASH_LOOP, f"{who} {does} again and again: {_commonest(crashing)}")


def _unschedulable(spec: Breaker, sight: Sight) -> Symptom | None:
    waiting = [
        one
        for one in sight.workers
        if one.trouble is not None
        and one.trouble.kind is TroubleKind.UNSCHEDULABLE
        and sight.now - one.trouble.time >= spec.unschedulable_seconds
    ]
    if not waiting:
        return None
    message = f"no node for {_workers(len(waiting))} within {spec.unschedulable_seconds} s: {_commonest(waiting)}"
    return Symptom(BreakerReason.UNSCHEDULABLE, message)


def _spike(spec: Breaker, sight: Sight, usual_percent: float | None) -> tuple[Symptom | None, frozenset[BreakerReason]]:
    """The spike, if there is one, or that nobody can tell."""
    window, work = sight.recent.window, sight.work
    unclear = frozenset({BreakerReason.FAILURE_SPIKE})
    if window is None or work is None:
        return None, unclear
    runs = window.runs
    if runs.finished < spec.runs:
        # Where no job may start nothing gets better, and a window that has only just begun has seen too little.
        known = window.is_whole(sight.now, spec.window_seconds) and not work.paused
        return None, frozenset() if known else unclear
    usual = _usual(spec, sight, runs) if usual_percent is None else usual_percent
    if runs.failed_percent <= usual + spec.error_percent:
        return None, frozenset()
    share = f"{runs.failed} of {runs.finished} runs within {spec.window_seconds} s failed"
    return Symptom(BreakerReason.FAILURE_SPIKE, f"{share}, {usual:.3g} % are usual", usual), frozenset()


def _usual(spec: Breaker, sight: Sight, recent: Runs) -> float:
    """The share of failed runs among all before the window; 0 where there are too few to tell."""
    assert sight.work is not None
    counted = [runs for version, runs in sight.work.runs.items() if version not in sight.on_trial]
    before = Runs(
        max(sum(one.completed for one in counted) - recent.completed, 0),
        max(sum(one.failed for one in counted) - recent.failed, 0),
    )
    return before.failed_percent if before.finished >= spec.runs else 0.0


def _commonest(workers: Sequence[WorkerState]) -> str:
    """What most of them have, the first by the alphabet among equals."""
    said = Counter(one.message for one in workers)
    return min(said, key=lambda message: (-said[message], message))


def _workers(count: int) -> str:
    return "1 worker" if count == 1 else f"{count} workers"
