"""What our resources have in common: metadata, a key, and the one way to read them from a file or the API server."""

from __future__ import annotations

import json
from typing import Any, Literal, TypeVar

from pydantic import Field, ValidationError

from headrace.errors import ConfigError
from headrace_operator.api.names import API_VERSION, ObjectKey
from headrace_operator.api.part import Part
from headrace_operator.api.problems import find_foreign, one_line


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


class ResourceStatus(Part):
    """What the operator reports of a resource."""

    def document(self) -> dict[str, object]:
        """The JSON form, for a write of the status subresource."""
        return self.model_dump(by_alias=True, exclude_none=True, mode="json")


class Resource(Part):
    """One object of ours."""

    metadata: Metadata

    @property
    def key(self) -> ObjectKey:
        """Namespace and name."""
        return ObjectKey(self.metadata.namespace, self.metadata.name)


R = TypeVar("R", bound=Resource)
S = TypeVar("S", bound=ResourceStatus)


def load_resource(model: type[R], kind: str, doc: object) -> R:
    """The object that a parsed YAML document describes, judged as the API server would.

    Raises ConfigError with one line that names the field. Ignores a `status`, as the API server does.
    """
    if not isinstance(doc, dict):
        raise ConfigError(f"a {kind} must be a mapping with apiVersion, kind, metadata and spec")
    for field, expected in (("apiVersion", API_VERSION), ("kind", kind)):
        if doc.get(field) != expected:
            raise ConfigError(f"{field}: must be {expected}, got {json.dumps(doc.get(field), default=str)}")
    return _validate(model, doc, "forbid")


def read_resource(model: type[R], status_model: type[S], body: dict[str, Any]) -> R:
    """The object that the API server holds: fields that this version doesn't know are ignored.

    A newer CRD may have them. A status that makes no sense is as good as none. Raises ConfigError like
    load_resource, for objects stored before a rule existed.
    """
    found = _validate(model, body, "ignore")
    if not body.get("status"):
        return found
    try:
        status = status_model.model_validate_json(json.dumps(body["status"]), extra="ignore")
    except ValidationError:
        return found
    return found.model_copy(update={"status": status})


def _validate(model: type[R], doc: dict[str, Any], extra: Literal["forbid", "ignore"]) -> R:
    said = {name: value for name, value in doc.items() if name != "status"}
    foreign = find_foreign(said)
    if foreign is not None:
        raise ConfigError(f"{foreign}: must be a string, number, list or mapping; put it in quotes")
    # As kubectl would send it; json.dumps makes every key a string.
    text = json.dumps(said)
    try:
        return model.model_validate_json(text, extra=extra, by_alias=True, by_name=False)
    except ValidationError as exc:
        raise ConfigError(one_line(exc, model)) from exc
