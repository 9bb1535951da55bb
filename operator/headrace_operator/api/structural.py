"""Turns pydantic's JSON schema into Kubernetes' structural form: inlined, without anyOf.

Knows nothing of any particular model.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

Schema = dict[str, Any]

_KEPT = (
    "type",
    "format",
    "description",
    "enum",
    "pattern",
    "minimum",
    "maximum",
    "nullable",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "required",
    "x-kubernetes-int-or-string",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-validations",
)


def structural(model: type[BaseModel]) -> Schema:
    """The schema of `model` for a CRD. Raises ValueError for what that form can't say."""
    schema = model.model_json_schema(by_alias=True, mode="validation")
    return _convert(schema, schema.get("$defs", {}))


def _convert(node: Schema, definitions: dict[str, Schema]) -> Schema:
    node = _resolved(node, definitions)
    if "anyOf" in node or "oneOf" in node or "allOf" in node:
        raise ValueError(f"no structural form: {node}")
    converted = {name: node[name] for name in _KEPT if name in node}
    if "description" in converted:
        converted["description"] = " ".join(converted["description"].split())
    if "properties" in node:
        converted["properties"] = {name: _convert(child, definitions) for name, child in node["properties"].items()}
    if "items" in node:
        converted["items"] = _convert(node["items"], definitions)
    # An object's default is complete: the API server applies rules to it before the defaults of its fields.
    if node.get("default") not in (None, "", []):
        converted["default"] = node["default"]
    return converted


def _resolved(node: Schema, definitions: dict[str, Schema]) -> Schema:
    """`node` with its reference, or the one real choice of an optional field, merged in."""
    own = {name: value for name, value in node.items() if name not in ("$ref", "anyOf", "const")}
    if "$ref" in node:
        target = definitions[node["$ref"].removeprefix("#/$defs/")]
        return _resolved(target, definitions) | own
    if "anyOf" in node:
        choices = [choice for choice in node["anyOf"] if choice.get("type") != "null"]
        if len(choices) != 1:
            raise ValueError(f"no structural form: {node}")
        return _resolved(choices[0], definitions) | own
    if "const" in node:
        own["enum"] = [node["const"]]
    return own
