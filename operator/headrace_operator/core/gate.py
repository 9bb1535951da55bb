"""The gate: whether a version on trial may go on. A pure judgement; what is not known decides nothing.

A version fails when its workers end by themselves, when two of them have died with jobs in hand (and more than of the
old version), when the share of its failed runs exceeds the old version's by more than `errorPercent`, or when none gets
ready and reaches Redis in time. Without enough jobs it passes only while one of its workers is there to take some.
The old version's share is the greater of all its runs' and of those during the trial, so that neither a bad hour of
something both depend on nor a flaky task is held against the new one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from headrace_operator.api.rollout import Rollout
from headrace_operator.core.evidence import Runs
from headrace_operator.seams.runtime import Exit

DEATHS: Final = 2
"""Workers that must have died with jobs in hand: a single one may have been its node's fault."""
EXITS: Final = 2
"""Workers that must have ended by themselves: one may be a node's fault too, unless it says that it can't work."""
REASONS_NAMED: Final = 3
OTHER: Final = "other"
"""Reasons that aren't counted by name."""


class GateReason(StrEnum):
    """The gate's last word."""

    STATS_UNAVAILABLE = "StatsUnavailable"
    """Waits: nobody knows how the canary does."""
    NO_WORKER_WANTED = "NoWorkerWanted"
    """Waits: the fleet is at zero, where the next job wakes the canary too, or there is no room for it yet."""
    CANARY_STARTING = "CanaryStarting"
    """Waits for it to get ready."""
    REDIS_NOT_REACHED = "RedisNotReached"
    """Waits for it to be seen in Redis, though it is ready."""
    CANARY_RUNNING = "CanaryRunning"
    """Waits for jobs to end."""
    QUEUES_PAUSED = "QueuesPaused"
    """Waits: no job may start."""
    TOO_FEW_JOBS = "TooFewJobs"
    """Waits: some failed, and they are too few to tell."""
    JOBS_SUCCEEDED = "JobsSucceeded"
    """Passed: enough jobs ended, few enough failed."""
    NO_TRAFFIC = "NoTraffic"
    """Passed: there were not enough jobs to judge by, it was there to take them, and nothing speaks against it."""
    CRASHING = "Crashing"
    """Failed: its workers end by themselves."""
    WORKERS_DIED = "WorkersDied"
    """Failed: its workers died with jobs in hand."""
    JOBS_FAILED = "JobsFailed"
    """Failed: too many of its runs."""
    NEVER_READY = "NeverReady"
    """Failed: its worker didn't get ready before the deadline."""
    NEVER_IN_REDIS = "NeverInRedis"
    """Failed: its worker was ready, and not to be seen in Redis before the deadline."""


@dataclass(frozen=True)
class Waiting:
    """Not decided yet."""

    reason: GateReason
    message: str


@dataclass(frozen=True)
class Passed:
    """It may replace the old version."""

    reason: GateReason
    message: str


@dataclass(frozen=True)
class Failed:
    """It is to be rolled back."""

    reason: GateReason
    message: str


Verdict = Waiting | Passed | Failed


@dataclass(frozen=True)
class Evidence:
    """What the gate looks at. Times are Unix seconds."""

    candidate: Runs
    """Since the trial began."""
    stable: Runs
    """The old version's, since then."""
    stable_ever: Runs
    """All that the old version's workers have ever done."""
    wanted_since: float | None = None
    """Since when the canary has been wanted; None while it is not."""
    ready_since: float | None = None
    """Since when it has been ready and in Redis; None while it is still to come so far."""
    ready: bool = False
    """One of its workers is ready."""
    present: bool = False
    """One of its workers is in Redis."""
    failing: str | None = None
    """Why its workers can't run."""
    exits: tuple[Exit, ...] = ()
    """How its workers that exist have ended by themselves."""
    ended: int = 0
    """How often that has happened since the trial began, as far as it is held against it."""
    reasons: Mapping[str, int] = field(default_factory=dict)
    """Classes of exceptions that its runs have failed with."""
    holding: int = 0
    """Jobs in its hands."""
    paused: bool = False
    """No job may start."""


def judge(spec: Rollout, evidence: Evidence | None, now: float) -> Verdict:
    """The verdict at `now` (Unix seconds); None for evidence that can't be had."""
    if evidence is None:
        return Waiting(GateReason.STATS_UNAVAILABLE, "nobody knows how its jobs do")
    return _failure(spec, evidence, now) or _outcome(spec, evidence, now)


def allowed_percent(spec: Rollout, evidence: Evidence) -> float:
    """Failed runs out of 100 that are no reason to roll back."""
    during = evidence.stable.failed_percent if evidence.stable.finished >= spec.gate.jobs else 0.0
    return max(evidence.stable_ever.failed_percent, during) + spec.gate.error_percent


def _failure(spec: Rollout, evidence: Evidence, now: float) -> Failed | None:
    runs, allowed = evidence.candidate, allowed_percent(spec, evidence)
    crash = _crash(evidence)
    if crash is not None:
        return Failed(GateReason.CRASHING, f"its workers crash: {crash}")
    if runs.crashed >= DEATHS and runs.crashed > evidence.stable.crashed:
        return Failed(GateReason.WORKERS_DIED, f"{runs.crashed} of its workers died with jobs in hand")
    if 100 * runs.failed > allowed * max(spec.gate.jobs, runs.finished):
        judged = max(spec.gate.jobs, runs.finished)
        return Failed(GateReason.JOBS_FAILED, f"{_so_far(evidence)}, more than {allowed:.3g} % of {judged}")
    late = evidence.ready_since is None and evidence.wanted_since is not None
    if late and now - (evidence.wanted_since or now) >= spec.progress_deadline_seconds:
        return _late(spec, evidence)
    return None


def _crash(evidence: Evidence) -> str | None:
    """How they end. While one of them is ready, what others do shows in their jobs."""
    if evidence.ready or not evidence.exits:
        return None
    final = next((one.why for one in evidence.exits if one.final), None)
    return final or ((evidence.failing or evidence.exits[-1].why) if evidence.ended >= EXITS else None)


def _late(spec: Rollout, evidence: Evidence) -> Failed:
    limit = f"within {spec.progress_deadline_seconds} s"
    if evidence.ready:
        return Failed(GateReason.NEVER_IN_REDIS, f"none of its workers reached Redis {limit}")
    why = f": {evidence.failing}" if evidence.failing is not None else ""
    return Failed(GateReason.NEVER_READY, f"not ready {limit}{why}")


def _outcome(spec: Rollout, evidence: Evidence, now: float) -> Waiting | Passed:
    if evidence.candidate.finished >= spec.gate.jobs:
        return Passed(GateReason.JOBS_SUCCEEDED, _so_far(evidence))
    if evidence.ready_since is not None:
        return _with_few_jobs(spec, evidence, now - evidence.ready_since)
    if evidence.wanted_since is not None and evidence.ready:
        return Waiting(GateReason.REDIS_NOT_REACHED, "none of its workers has reached Redis")
    if evidence.wanted_since is not None:
        return Waiting(GateReason.CANARY_STARTING, "its first worker starts")
    return Waiting(GateReason.NO_WORKER_WANTED, "its first worker has yet to be asked for")


def _with_few_jobs(spec: Rollout, evidence: Evidence, waited: float) -> Waiting | Passed:
    runs, so_far = evidence.candidate, _so_far(evidence)
    if evidence.paused:
        return Waiting(GateReason.QUEUES_PAUSED, f"{so_far}, and no more may start")
    first_jobs_run = bool(evidence.holding) and not runs.finished
    patience = spec.progress_deadline_seconds if first_jobs_run else spec.gate.timeout_seconds
    if waited < patience:
        return Waiting(GateReason.CANARY_RUNNING, f"{so_far}, judged after {spec.gate.jobs}")
    if not evidence.present:
        return Waiting(GateReason.REDIS_NOT_REACHED, f"{so_far}, and none of its workers is in Redis")
    harmless = runs.finished > 0 or not runs.crashed
    if harmless and 100 * runs.failed <= allowed_percent(spec, evidence) * runs.finished:
        return Passed(GateReason.NO_TRAFFIC, f"{so_far} within {patience} s")
    return Waiting(GateReason.TOO_FEW_JOBS, f"{so_far}, too few to tell")


def _so_far(evidence: Evidence) -> str:
    runs = evidence.candidate
    if not runs.finished:
        return "no run has ended"
    named = _named(evidence.reasons) if runs.failed else ""
    return f"{runs.failed} of {_runs(runs.finished)} failed" + (f" ({named})" if named else "")


def _named(reasons: Mapping[str, int]) -> str:
    """The most frequent ones, and how many others there are."""
    known = sorted((name for name in reasons if name != OTHER), key=lambda name: (-reasons[name], name))[:REASONS_NAMED]
    others = sum(count for name, count in reasons.items() if name not in known)
    return ", ".join([*(f"{name} {reasons[name]}" for name in known), *([f"{OTHER} {others}"] if others else [])])


def _runs(count: int) -> str:
    return "1 run" if count == 1 else f"{count} runs"
