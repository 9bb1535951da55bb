"""How a new version replaces an old one: the `spec.rollout` of a WorkerQueue."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from headrace_operator.api.part import Part, Rule


class Gate(Part):
    """What a new version's first worker, the canary, has to show before it gets more."""

    jobs: Annotated[int, Field(ge=1, le=1_000_000)] = 20
    """Finished jobs after which it is judged; it fails sooner once too many of so many have failed."""
    error_percent: Annotated[int, Field(ge=0, le=100)] = 10
    """By how many percentage points its share of failed runs may exceed the old version's."""
    timeout_seconds: Annotated[int, Field(ge=1, le=86_400)] = 60
    """How long the canary waits in Redis for that many jobs; then the rollout goes on without, unless too many have
    failed."""


class Rollout(Part):
    """How a new version replaces an old one: one canary, the gate, then worker by worker; back if it fails."""

    rules = (
        Rule(
            "progressDeadlineSeconds",
            "self.gate.timeoutSeconds <= self.progressDeadlineSeconds",
            "must be ≥ gate.timeoutSeconds",
            lambda self: self.gate.timeout_seconds <= self.progress_deadline_seconds,
            " ({gate[timeoutSeconds]}), got {progressDeadlineSeconds}",
        ),
    )
    max_surge: Annotated[int, Field(ge=1, le=1000)] = 1
    """Workers that may exist beyond the wanted number meanwhile, terminating ones included."""
    gate: Gate = Gate()
    """What the canary has to show."""
    progress_deadline_seconds: Annotated[int, Field(ge=1, le=86_400)] = 600
    """How long the canary may take to get ready and reach Redis, and its first jobs to end; then the new version is
    rolled back, or the rollout goes on without a finished job."""
