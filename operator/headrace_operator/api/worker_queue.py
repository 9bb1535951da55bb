"""The WorkerQueue resource: what it holds, and the one way to read it from a file or the API server."""

from __future__ import annotations

import json
import re
from typing import Any, Literal

from pydantic import Field, ValidationError

from headrace.errors import ConfigError
from headrace_operator.api.names import API_VERSION, KIND, NAME_LENGTH, QueueKey
from headrace_operator.api.part import Part, Rule
from headrace_operator.api.problems import find_foreign, one_line
from headrace_operator.api.spec import WorkerQueueSpec
from headrace_operator.api.status import WorkerQueueStatus

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")


class Metadata(Part):
    """Kubernetes' own ObjectMeta; what headrace does not read is let through."""

    name: str
    namespace: str = "default"
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    generation: int = 0
    resource_version: str = ""
    uid: str = ""
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    deletion_grace_period_seconds: int | None = None
    generate_name: str | None = None
    finalizers: list[str] | None = None
    owner_references: list[dict[str, Any]] | None = None
    managed_fields: list[dict[str, Any]] | None = None
    self_link: str | None = None


class WorkerQueue(Part):
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
    metadata: Metadata
    spec: WorkerQueueSpec
    status: WorkerQueueStatus | None = None

    @property
    def key(self) -> QueueKey:
        """Namespace and name."""
        return QueueKey(self.metadata.namespace, self.metadata.name)


def load_worker_queue(doc: object) -> WorkerQueue:
    """The WorkerQueue that a parsed YAML document describes, judged as the API server would.

    Raises ConfigError with one line that names the field. Ignores a `status`, as the API server does.
    """
    if not isinstance(doc, dict):
        raise ConfigError("a WorkerQueue must be a mapping with apiVersion, kind, metadata and spec")
    for field, expected in (("apiVersion", API_VERSION), ("kind", KIND)):
        if doc.get(field) != expected:
            raise ConfigError(f"{field}: must be {expected}, got {json.dumps(doc.get(field), default=str)}")
    return _validate({name: value for name, value in doc.items() if name != "status"}, "forbid")


def read_worker_queue(body: dict[str, Any]) -> WorkerQueue:
    """The WorkerQueue that the API server holds: fields that this version doesn't know are ignored.

    A newer CRD may have them. A status that makes no sense is as good as none. Raises ConfigError like
    load_worker_queue, for objects stored before a rule existed.
    """
    queue = _validate({name: value for name, value in body.items() if name != "status"}, "ignore")
    if not body.get("status"):
        return queue
    try:
        status = WorkerQueueStatus.model_validate_json(json.dumps(body["status"]), extra="ignore")
    except ValidationError:
        return queue
    return queue.model_copy(update={"status": status})


def _validate(doc: dict[str, Any], extra: Literal["forbid", "ignore"]) -> WorkerQueue:
    foreign = find_foreign(doc)
    if foreign is not None:
        raise ConfigError(f"{foreign}: must be a string, number, list or mapping; put it in quotes")
    # As kubectl would send it; json.dumps makes every key a string.
    text = json.dumps(doc)
    try:
        return WorkerQueue.model_validate_json(text, extra=extra, by_alias=True, by_name=False)
    except ValidationError as exc:
        raise ConfigError(one_line(exc, WorkerQueue)) from exc
