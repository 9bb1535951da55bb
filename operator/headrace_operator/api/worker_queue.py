"""The WorkerQueue resource: what it holds, and the one way to read it from a file or the API server."""

from __future__ import annotations

import re
from typing import Any, Literal

from headrace_operator.api.names import KIND, NAME_LENGTH
from headrace_operator.api.part import Rule
from headrace_operator.api.resource import Resource, load_resource, read_resource
from headrace_operator.api.spec import WorkerQueueSpec
from headrace_operator.api.status import WorkerQueueStatus

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")


class WorkerQueue(Resource):
    """A fleet of workers for some queues in Redis."""

    rules = (
        Rule(
            "",
            f"self.metadata.name.size() <= {NAME_LENGTH} && self.metadata.name.matches('^{_NAME.pattern}$')",
            f"metadata.name: must have at most {NAME_LENGTH} characters out of a-z, 0-9 and -",
            lambda self: len(self.metadata.name) <= NAME_LENGTH and _NAME.fullmatch(self.metadata.name) is not None,
        ),
    )
    api_version: Literal["headrace.dev/v1alpha1"] = "headrace.dev/v1alpha1"
    kind: Literal["WorkerQueue"] = "WorkerQueue"
    spec: WorkerQueueSpec
    status: WorkerQueueStatus | None = None


def load_worker_queue(doc: object) -> WorkerQueue:
    """The WorkerQueue that a parsed YAML document describes; see load_resource. Raises ConfigError."""
    return load_resource(WorkerQueue, KIND, doc)


def read_worker_queue(body: dict[str, Any]) -> WorkerQueue:
    """The WorkerQueue that the API server holds; see read_resource. Raises ConfigError."""
    return read_resource(WorkerQueue, WorkerQueueStatus, body)
