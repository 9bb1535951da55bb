"""A decision on the number of workers, as a value: how many, why, from which numbers, and until when."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """Why this many workers."""

    BACKLOG = "Backlog"
    """As many as the jobs call for."""
    IDLE = "Idle"
    """There are no jobs."""
    COOLING_DOWN = "CoolingDown"
    """There are no jobs, but not for long enough to let the last worker go."""
    STABILIZING = "Stabilizing"
    """Fewer would do now, but more were called for a short while ago."""
    STEP_LIMITED = "StepLimited"
    """On the way, as fast as scaleUp and scaleDown allow."""
    WITHIN_TOLERANCE = "WithinTolerance"
    """The difference isn't worth a change."""
    BREAKER_OPEN = "BreakerOpen"
    """More are called for, and would help nobody; see core/breaker.py."""
    MIN_REPLICAS = "MinReplicas"
    MAX_REPLICAS = "MaxReplicas"
    ROLLING_OUT = "RollingOut"
    """Fewer would do, but the fleet shrinks only after the rollout."""
    FIXED_REPLICAS = "FixedReplicas"
    """spec.replicas says so."""
    PAUSED = "Paused"
    """No job may start; what runs is finished."""
    STATS_UNAVAILABLE = "StatsUnavailable"
    """Nobody knows what is in the queue, so nothing changes."""
    OWNED_ELSEWHERE = "QueueOwnedElsewhere"
    """Another WorkerQueue serves a queue, so nothing is added."""


@dataclass(frozen=True)
class Inputs:
    """The numbers that a decision was made from; None where unknown."""

    current_replicas: int
    backlog_per_replica: int
    demand: int | None = None
    ready: int | None = None
    due: int | None = None
    leased: int | None = None
    scheduled: int | None = None


@dataclass(frozen=True)
class Decision:
    """How many workers there should be."""

    desired: int
    reason: Reason
    message: str
    """One sentence that explains the numbers."""
    inputs: Inputs
    recommendation: int | None
    """Workers that the demand alone calls for; None when nothing is known."""
    limited_by: str | None = None
    """The field of the spec, or the circumstance, that kept the fleet from following the recommendation."""
    next_eligible: float | None = None
    """Unix time in seconds at which that limit gives way, unless something changes."""
