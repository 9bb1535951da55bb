"""The CRD: up to date in crds/, structural, and as strict as the models."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from headrace_operator.api.crd import main, render, worker_queue_crd
from headrace_operator.api.spec import WorkerQueueSpec
from headrace_operator.api.structural import structural

CRDS = Path(__file__).resolve().parents[3] / "crds"
FILE = "workerqueues.headrace.dev.yaml"


def schemas(node: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema below `node`, with its path."""
    yield path, node
    for name, child in node.get("properties", {}).items():
        yield from schemas(child, f"{path}.{name}")
    if "items" in node:
        yield from schemas(node["items"], f"{path}[]")


def version() -> dict[str, Any]:
    found: dict[str, Any] = worker_queue_crd()["spec"]["versions"][0]
    return found


ALL = list(schemas(version()["schema"]["openAPIV3Schema"]))


def test_the_file_is_up_to_date(tmp_path: Path) -> None:
    main(tmp_path)
    assert (tmp_path / FILE).read_text() == render()
    for folder in (CRDS, CRDS.parent / "charts" / "headrace" / "files"):
        assert (folder / FILE).read_text() == render(), "run `make crds`"


def test_it_is_structural() -> None:
    for path, schema in ALL:
        assert ("type" in schema) != ("x-kubernetes-int-or-string" in schema), path
        assert not {"$ref", "anyOf", "allOf", "oneOf", "title", "additionalProperties"} & set(schema), path


def test_every_field_is_described() -> None:
    metadata = (".apiVersion", ".kind", ".metadata")
    assert [path for path, schema in ALL if "description" not in schema and path not in metadata] in (
        [],
        ["[]"],
    )


def test_everything_is_bounded() -> None:
    for path, schema in ALL:
        if path.startswith(".spec"):
            match schema.get("type"):
                case "array":
                    assert "maxItems" in schema, path
                case "string":
                    assert "maxLength" in schema or "enum" in schema, path
                case "integer" | "number":
                    assert {"minimum", "maximum"} <= set(schema), path
                case None:
                    assert "maxLength" in schema, path


def test_defaults_are_inside_the_bounds() -> None:
    defaults = [(path, schema) for path, schema in ALL if "default" in schema and "minimum" in schema]
    assert defaults
    for path, schema in defaults:
        assert schema["minimum"] <= schema["default"] <= schema["maximum"], path


def test_the_scale_subresource_has_all_three_paths() -> None:
    paths = {path for path, _ in ALL}
    scale = version()["subresources"]["scale"]
    assert set(scale) == {"specReplicasPath", "statusReplicasPath", "labelSelectorPath"}
    assert set(scale.values()) <= paths


def test_printer_columns_exist() -> None:
    columns = version()["additionalPrinterColumns"]
    assert [column["name"] for column in columns if "priority" not in column] == [
        "Ready",
        "Replicas",
        "Ready jobs",
        "In flight",
        "Dead",
        "Rollout",
        "Why",
        "Age",
    ]
    paths = {path for path, _ in ALL}
    for column in columns:
        path = column["jsonPath"].replace("[0]", "[]")
        assert path in paths or "?(@.type" in path or path.startswith(".metadata"), column


@pytest.mark.parametrize("field", ["Scaling", "Redis", "Retry", "Rollout", "EnvVar", "EnvSource", "Disruption"])
def test_models_with_rules_have_them_in_the_crd(field: str) -> None:
    definitions = WorkerQueueSpec.model_json_schema()["$defs"]
    rules = definitions[field]["x-kubernetes-validations"]
    assert all("message" in rule or "messageExpression" in rule for rule in rules)


def test_what_a_crd_cannot_say_is_an_error() -> None:
    class Either(BaseModel):
        value: int | str

    with pytest.raises(ValueError, match="no structural form"):
        structural(Either)
