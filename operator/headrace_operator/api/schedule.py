"""The Schedule resource: what it holds, and the one way to read it from a file or the API server."""

from __future__ import annotations

import re
from typing import Any, Final, Literal

from headrace_operator.api.names import SCHEDULE_KIND
from headrace_operator.api.part import Rule
from headrace_operator.api.resource import Resource, load_resource, read_resource
from headrace_operator.api.schedule_spec import ScheduleSpec
from headrace_operator.api.schedule_status import ScheduleStatus

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_NAME_LENGTH: Final = 63


class Schedule(Resource):
    """A task that runs again and again, at the times that a cron expression names."""

    rules = (
        Rule(
            "",
            f"self.metadata.name.size() <= {_NAME_LENGTH} && self.metadata.name.matches('^{_NAME.pattern}$')",
            f"metadata.name: must have at most {_NAME_LENGTH} characters out of a-z, 0-9 and -",
            lambda self: len(self.metadata.name) <= _NAME_LENGTH and _NAME.fullmatch(self.metadata.name) is not None,
        ),
    )
    api_version: Literal["headrace.dev/v1alpha1"] = "headrace.dev/v1alpha1"
    kind: Literal["Schedule"] = "Schedule"
    spec: ScheduleSpec
    status: ScheduleStatus | None = None


def load_schedule(doc: object) -> Schedule:
    """The Schedule that a parsed YAML document describes; see load_resource. Raises ConfigError."""
    return load_resource(Schedule, SCHEDULE_KIND, doc)


def read_schedule(body: dict[str, Any]) -> Schedule:
    """The Schedule that the API server holds; see read_resource. Raises ConfigError."""
    return read_resource(Schedule, ScheduleStatus, body)
