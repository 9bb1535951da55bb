"""What a Schedule asks for: the `spec`, field by field. The CRD's descriptions are the docstrings.

Names that CronJob has too mean the same here. Whether the cron expression, the zone, the task and its arguments make
sense no API server can say: that is judged by the operator, and told in a condition.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from headrace_operator.api.part import Part, Rule
from headrace_operator.api.spec import FREE_FORM, ObjectName, QueueName

HISTORY_MOST = 50
CATCH_UP_MOST = 1000

Argument = Annotated[Any, Field(json_schema_extra=FREE_FORM | {"nullable": True, "description": "Any JSON value."})]


class ScheduleSpec(Part):
    """What runs, and when."""

    rules = (
        Rule(
            "catchUpMax",
            "!has(self.catchUpMax) || self.catchUp == 'All'",
            "has a meaning only with catchUp: All",
            lambda self: self.catch_up_max is None or self.catch_up == "All",
        ),
    )
    worker_queue: ObjectName
    """Name of the WorkerQueue in the same namespace whose workers run the jobs."""
    queue: QueueName | None = None
    """Which of its queues the jobs are put into; its first one if left out."""
    cron: Annotated[str, Field(min_length=1, max_length=256)]
    """When: five fields as in crontab (minute, hour, day of the month, month, day of the week), six with seconds in
    front, or @hourly, @daily, @weekly, @monthly, @yearly.
    """
    time_zone: Annotated[str, Field(min_length=1, max_length=64)] = "UTC"
    """Name of the time zone in which the expression is meant, such as Europe/Berlin."""
    task: Annotated[str, Field(min_length=1, max_length=200)]
    """Name of the task, as workers know it."""
    args: Annotated[tuple[Argument, ...], Field(strict=False, max_length=100)] = ()
    """Positional arguments."""
    kwargs: Annotated[dict[str, Any], Field(json_schema_extra=FREE_FORM)] = Field(default_factory=dict)
    """Arguments by name."""
    priority: Literal["high", "default", "low"] = "default"
    """The lane of its queue that its jobs go into."""
    max_retries: Annotated[int, Field(ge=0, le=200)] | None = None
    """How often a job is tried again after it has failed; what the task says if left out."""
    timeout_seconds: Annotated[int, Field(ge=1, le=604_800)] | None = None
    """For one run of a job; what the task says if left out."""
    concurrency_policy: Literal["Allow", "Forbid", "Replace"] = "Allow"
    """While a job of this Schedule is not over: Allow another one beside it, Forbid one (that tick is skipped), or
    Replace it (it is cancelled).
    """
    starting_deadline_seconds: Annotated[int, Field(ge=1, le=31_536_000)] | None = None
    """How late a tick may be and still run; later it is missed. Left out, catchUp alone decides."""
    catch_up: Literal["None", "Latest", "All"] = "Latest"
    """Which ticks that could not run in time run later: None of them, the Latest one, or All of them in order."""
    catch_up_max: Annotated[int, Field(ge=1, le=CATCH_UP_MOST)] | None = None
    """With All, the most of them that run, the latest ones; 10 if left out."""
    suspend: bool = False
    """Nothing runs while this is true, and the ticks of that time are not missed."""
    history_limit: Annotated[int, Field(ge=0, le=HISTORY_MOST)] = 10
    """How many of the last runs the status shows."""
