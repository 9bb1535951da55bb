"""What the operator reports of a Schedule: a mirror of what Redis knows of it. Bounded; no payloads."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from headrace_operator.api.part import Part
from headrace_operator.api.resource import ResourceStatus
from headrace_operator.api.schedule_spec import HISTORY_MOST
from headrace_operator.api.status import Condition, Message, Timestamp, Word

JobId = Annotated[str, Field(max_length=253, description="A job's id.")]


class ScheduleRun(Part):
    """What became of one tick, or of a request to run now."""

    time: Timestamp
    """The tick; of a run-now, when it was asked for."""
    fate: Word
    """Enqueued, Skipped (Forbid: the job before was not over) or Replaced (the job before was cancelled)."""
    job_id: JobId | None = None
    """The job; none for a skipped tick."""


class RunNowStatus(Part):
    """The run that was last asked for by the annotation."""

    request: Word
    """Its id: the annotation's value."""
    phase: Word
    """Accepted, Enqueued, Skipped, Replaced, Repeated (this id has run before) or Refused."""
    time: Timestamp
    """When this was found."""
    job_id: JobId | None = None
    """The job."""
    message: Message = ""
    """The same in one sentence."""


class ScheduleStatus(ResourceStatus):
    """When it has run and will run, and whether it can."""

    observed_generation: int | None = None
    """The spec's generation that this status is about."""
    description: Annotated[str, Field(max_length=500)] = ""
    """The cron expression as an English sentence."""
    next_schedule_time: Timestamp | None = None
    """The next tick; none while suspended, or where no further one exists."""
    last_schedule_time: Timestamp | None = None
    """The last tick that made a job."""
    last_job_id: JobId | None = None
    """The last job that it made, asked for or by a tick."""
    active: Annotated[tuple[JobId, ...], Field(strict=False, max_length=HISTORY_MOST)] = ()
    """Jobs of the last runs that are not over."""
    enqueued: int = 0
    """Jobs made, all in all."""
    skipped: int = 0
    """Ticks and runs out of turn skipped by concurrencyPolicy Forbid, all in all."""
    missed: int = 0
    """Ticks that passed without running and never will, all in all; suspended ones are not among them."""
    recent: Annotated[tuple[ScheduleRun, ...], Field(strict=False, max_length=HISTORY_MOST)] = ()
    """The last runs, newest first."""
    run_now: RunNowStatus | None = None
    """The run that was last asked for by the annotation."""
    conditions: Annotated[
        tuple[Condition, ...],
        Field(
            strict=False,
            max_length=16,
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
        ),
    ] = ()
    """Ready."""
