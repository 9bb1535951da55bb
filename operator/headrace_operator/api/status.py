"""What the operator reports: the `status`, field by field. Timestamps, not ages; bounded; no payloads."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from headrace_operator.api.part import Part
from headrace_operator.api.resource import ResourceStatus

DECISIONS_KEPT = 10
REASONS_KEPT = 10
VERSIONS_KEPT = 5
EXITS_KEPT = 2  # as many as decide
EXCUSED_KEPT = 20
MESSAGE_LENGTH = 1024

Timestamp = Annotated[str, Field(max_length=40, json_schema_extra={"format": "date-time"})]
Word = Annotated[str, Field(max_length=253)]
VersionHash = Annotated[str, Field(max_length=253, description="A version's hash.")]
ExitId = Annotated[str, Field(max_length=253, description="Pod, container, and which run of it.")]
Message = Annotated[str, Field(max_length=MESSAGE_LENGTH)]


class QueueNumbers(Part):
    """The queues' jobs by state, all queues together."""

    ready: int
    """Runnable and waiting, those just fallen due included."""
    scheduled: int
    """Delayed jobs and retries whose time has not come."""
    leased: int
    """In the hands of workers."""
    dead: int
    """Dead letters."""
    oldest_ready_time: Timestamp | None = None
    """Since when the longest-waiting job has been runnable."""


class ReasonCount(Part):
    """Dead letters of one reason."""

    reason: Word
    """Class of the exception."""
    count: int
    """How many."""


class DeadLetters(Part):
    """Jobs that failed for good."""

    total: int
    """How many."""
    oldest_time: Timestamp | None = None
    """When the oldest was buried."""
    by_reason: Annotated[tuple[ReasonCount, ...], Field(strict=False, max_length=REASONS_KEPT)] = ()
    """The most frequent reasons."""


class VersionStatus(Part):
    """Workers of one version."""

    hash: Word
    """The version's hash."""
    app: Word = ""
    """The module it runs."""
    image: Annotated[str, Field(max_length=500)] = ""
    """Its image."""
    desired: int
    """Workers asked for."""
    ready: int
    """Workers that have started."""
    terminating: int
    """Workers that finish their jobs before they end."""
    phase: Word
    """Current, Starting, Canary, Failing or Retiring."""


class DecisionInputs(Part):
    """The numbers a decision was made from; absent when unknown."""

    demand: int | None = None
    """Jobs that a worker could be running: ready, due and leased."""
    ready: int | None = None
    """Runnable jobs."""
    due: int | None = None
    """Delayed jobs whose time has come."""
    leased: int | None = None
    """Jobs in the hands of workers."""
    scheduled: int | None = None
    """Jobs whose time has not come."""
    current_replicas: int
    """Workers wanted before."""
    backlog_per_replica: int
    """Jobs per worker, from the spec."""


class DecisionStatus(Part):
    """How many workers, and why."""

    time: Timestamp
    """When this was first decided."""
    desired: int
    """Workers wanted."""
    reason: Word
    """Why, in one word."""
    message: Message
    """Why, in one sentence."""
    inputs: DecisionInputs
    """The numbers behind it."""
    limited_by: Word | None = None
    """What kept it from following the demand."""
    next_eligible_time: Timestamp | None = None
    """When that limit ends, unless something changes."""


class BreakerStatus(Part):
    """Whether the fleet may grow, or why not."""

    state: Word
    """Closed (it may) or Open."""
    reason: Word = ""
    """CrashLoop, Unschedulable or FailureSpike while it is open."""
    message: Message = ""
    """Why, in one sentence."""
    since_time: Timestamp | None = None
    """When it opened, or closed again."""
    clear_time: Timestamp | None = None
    """Since when its reason has been known to be gone, while it is open."""
    retry_time: Timestamp | None = None
    """When it closes, unless a reason comes back before."""
    usual_percent: float | None = None
    """Failed runs out of 100 before the spike that opened it."""


class ReplayStatus(Part):
    """The replay that was last asked for."""

    request_id: Word
    """Its id; runs once ever."""
    request: Message
    """What was asked for."""
    by: Word | None = None
    """Who asked, as they said; the API server's audit log is the proof."""
    phase: Word
    """Accepted, Running, Completed, Failed, Cancelled or Refused."""
    dry_run: bool = False
    """Only counts what would be replayed."""
    digest: Word | None = None
    """Of the set that a dry run found; approve=… with it replays that set or nothing."""
    matched: int = 0
    """Dead letters that the request selects."""
    replayed: int = 0
    """Jobs put back so far."""
    left_out: int = 0
    """Dead letters that stay since they were replayed too often already, as far as counted."""
    started_time: Timestamp | None = None
    """When it was accepted."""
    finished_time: Timestamp | None = None
    """When it ended."""
    message: Message | None = None
    """Outcome, or what is wrong with the request."""


class RunCounts(Part):
    """What the workers of one version had done at some moment."""

    completed: int = 0
    """Jobs completed."""
    failed: int = 0
    """Runs failed."""
    crashed: int = 0
    """Workers that died with jobs in hand."""


class RolloutStatus(Part):
    """The trial of a new version, or how the last one ended."""

    phase: Word
    """Canary, Replacing, Complete or RolledBack."""
    stable: Word
    """The version that is trusted: the last one to have passed, or the first ever."""
    candidate: Word | None = None
    """The version on trial."""
    failed_version: Word | None = None
    """The version that was rolled back; it is not tried again until the spec asks for another one."""
    unproven: Annotated[tuple[VersionHash, ...], Field(strict=False, max_length=VERSIONS_KEPT)] = ()
    """Versions that have not passed and may still have workers: what these fail is charged to no job."""
    started_time: Timestamp | None = None
    """When the trial began."""
    wanted_time: Timestamp | None = None
    """Since when the canary has been wanted without being ready and in Redis."""
    ready_time: Timestamp | None = None
    """Since when the canary has been ready and in Redis."""
    finished_time: Timestamp | None = None
    """When the trial ended."""
    jobs: int = 0
    """Runs that the candidate has finished on trial, failed ones included."""
    failed: int = 0
    """How many of them failed, each job counted once."""
    candidate_before: RunCounts | None = None
    """The candidate's counts when the trial began."""
    stable_before: RunCounts | None = None
    """The stable version's counts then."""
    exits: Annotated[tuple[ExitId, ...], Field(strict=False, max_length=EXITS_KEPT)] = ()
    """Workers of the candidate that ended by themselves; a second one is held against it."""
    excused_exits: Annotated[tuple[ExitId, ...], Field(strict=False, max_length=EXCUSED_KEPT)] = ()
    """Those that were seen while Redis could not be read; they count for nothing."""
    reason: Word = ""
    """The gate's last word: why it waits, passed or failed."""
    message: Message = ""
    """The same in one sentence."""


class Condition(Part):
    """One aspect of the resource, as elsewhere in Kubernetes."""

    type: Word
    """Which aspect."""
    status: Annotated[str, Field(max_length=7)]
    """True, False or Unknown."""
    observed_generation: int
    """The spec's generation it is about."""
    last_transition_time: Timestamp
    """When status last changed."""
    reason: Word
    """Why, in one word."""
    message: Message = ""
    """Why, in one sentence."""


class WorkerQueueStatus(ResourceStatus):
    """How the fleet is."""

    observed_generation: int | None = None
    """The spec's generation that this status is about."""
    replicas: int = 0
    """Workers asked for, all versions together."""
    ready_replicas: int = 0
    """Workers that have started."""
    selector: Annotated[str, Field(max_length=512)] = ""
    """Label selector of the workers' pods."""
    queue: QueueNumbers | None = None
    """Jobs by state, as last seen."""
    dead_letters: DeadLetters | None = None
    """Jobs that failed for good, as last seen."""
    versions: Annotated[tuple[VersionStatus, ...], Field(strict=False, max_length=VERSIONS_KEPT)] = ()
    """Versions that have workers, the current one first."""
    last_decision: DecisionStatus | None = None
    """How many workers are wanted now, and why."""
    decisions: Annotated[tuple[DecisionStatus, ...], Field(strict=False, max_length=DECISIONS_KEPT)] = ()
    """The last changes of that number, newest first."""
    rollout: RolloutStatus | None = None
    """The trial of a new version, or how the last one ended."""
    breaker: BreakerStatus | None = None
    """Whether the fleet may grow; absent where the spec has no breaker."""
    replay: ReplayStatus | None = None
    """The replay that was last asked for."""
    conditions: Annotated[
        tuple[Condition, ...],
        Field(
            strict=False,
            max_length=16,
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
        ),
    ] = ()
    """Ready, Progressing, Active, BreakerOpen, Paused, DeadLettersPresent, RedisAvailable and others now and then."""
