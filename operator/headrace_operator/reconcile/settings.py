"""How often the loop looks and how long it waits. Times in seconds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ReconcileSettings:
    """The loop's settings; the defaults are meant for production."""

    cluster: str = "default"
    """Who claims queues in Redis: `cluster/namespace/name`. Two clusters that share a Redis must differ."""
    exact_runtime: bool = False
    """The runtime's view of workers never lags and is complete: a worker that it doesn't show is gone for sure."""
    aim_settle: float = 1.0
    """From when an aimed scale-in has seen its aim until whoever chooses has seen it too. Tried on Kubernetes 1.34,
    whose controllers read copies of their own: without it one of fifty chose another pod."""
    gate: bool = True
    """A new version is tried out before it replaces the old one (spec.rollout.gate); else it replaces it at once."""
    poll: float = 1.0
    """Between two reads of a Redis whose queues are at rest: the backstop for signals that get lost."""
    poll_busy: float = 0.25
    """The same while there are jobs to run."""
    reading_share: float = 0.1
    """Most of the time that may go into reading one Redis, so that many queues are read less often."""
    poll_slowest: float = 5.0
    """Longest pause that reading_share makes."""
    redis_timeout: float = 3.0
    """For one call to Redis; then its numbers are unknown."""
    moving: float = 0.5
    """Between two reconciles of a WorkerQueue whose workers are starting, ending or being replaced."""
    rest: float = 10.0
    """Between two reconciles of a WorkerQueue at rest, unless something is heard."""
    reconcile_timeout: float = 30.0
    """For one reconcile; a stuck one is given up and begun anew."""
    audit_every: float = 300.0
    """Between the beginnings of two audits of a queue, if they don't take longer; 0: none. Those of one Redis come one
    after another, and take of its time what core/auditing.py gives them."""
    claim_again: float = 60.0
    """Between two claims of a queue that is ours; a claim holds for ten minutes (protocol.OWNERSHIP_MS)."""
    retry_base: float = 0.5
    """Pause after a failed reconcile, doubled with each further one."""
    retry_cap: float = 15.0
    """Longest such pause."""
