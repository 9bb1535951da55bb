"""The CRDs: up to date in crds/, structural, and as strict as the models."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from headrace_operator.api.crd import main, render, schedule_crd, worker_queue_crd
from headrace_operator.api.schedule_spec import ScheduleSpec
from headrace_operator.api.spec import WorkerQueueSpec
from headrace_operator.api.structural import structural

CRDS = Path(__file__).resolve().parents[3] / "crds"
FILES = {"workerqueues.headrace.dev.yaml": worker_queue_crd, "schedules.headrace.dev.yaml": schedule_crd}


def schemas(node: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema below `node`, with its path."""
    yield path, node
    for name, child in node.get("properties", {}).items():
        yield from schemas(child, f"{path}.{name}")
    if "items" in node:
        yield from schemas(node["items"], f"{path}[]")


def version(crd: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = crd["spec"]["versions"][0]
    return found


OF_QUEUES = list(schemas(version(worker_queue_crd())["schema"]["openAPIV3Schema"]))
OF_SCHEDULES = list(schemas(version(schedule_crd())["schema"]["openAPIV3Schema"]))
ALL = [*OF_QUEUES, *OF_SCHEDULES]


def test_the_files_are_up_to_date(tmp_path: Path) -> None:
    main(tmp_path)
    for file, crd in FILES.items():
        assert (tmp_path / file).read_text() == render(crd())
        for folder in (CRDS, CRDS.parent / "charts" / "headrace" / "files"):
            assert (folder / file).read_text() == render(crd()), "run `make crds`"


def test_it_is_structural() -> None:
    for path, schema in ALL:
        if path == ".spec.args[]":  # anything
            assert schema["x-kubernetes-preserve-unknown-fields"]
            continue
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
                    assert "maxLength" in schema or path == ".spec.args[]", path


def test_defaults_are_inside_the_bounds() -> None:
    defaults = [(path, schema) for path, schema in ALL if "default" in schema and "minimum" in schema]
    assert defaults
    for path, schema in defaults:
        assert schema["minimum"] <= schema["default"] <= schema["maximum"], path


def test_the_scale_subresource_has_all_three_paths() -> None:
    paths = {path for path, _ in OF_QUEUES}
    scale = version(worker_queue_crd())["subresources"]["scale"]
    assert set(scale) == {"specReplicasPath", "statusReplicasPath", "labelSelectorPath"}
    assert set(scale.values()) <= paths


def test_printer_columns_exist() -> None:
    columns = version(worker_queue_crd())["additionalPrinterColumns"]
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
    _exist(columns, OF_QUEUES)


def test_printer_columns_of_schedules_exist() -> None:
    columns = version(schedule_crd())["additionalPrinterColumns"]
    assert [column["name"] for column in columns if "priority" not in column] == [
        "Cron",
        "Time zone",
        "Suspend",
        "Ready",
        "Reason",
        "Last",
        "Next",
        "Missed",
        "Age",
    ]
    _exist(columns, OF_SCHEDULES)


def _exist(columns: list[dict[str, Any]], described: list[tuple[str, dict[str, Any]]]) -> None:
    paths = {path for path, _ in described}
    for column in columns:
        path = column["jsonPath"].replace("[0]", "[]")
        assert path in paths or "?(@.type" in path or path.startswith(".metadata"), column


@pytest.mark.parametrize("field", ["Scaling", "Redis", "Retry", "Rollout", "EnvVar", "EnvSource", "Disruption"])
def test_models_with_rules_have_them_in_the_crd(field: str) -> None:
    definitions = WorkerQueueSpec.model_json_schema()["$defs"]
    rules = definitions[field]["x-kubernetes-validations"]
    assert all("message" in rule or "messageExpression" in rule for rule in rules)


def test_a_schedule_has_its_rules_in_the_crd() -> None:
    rules = dict(OF_SCHEDULES)[".spec"]["x-kubernetes-validations"]
    assert [rule["fieldPath"] for rule in rules] == [f".{rule.field}" for rule in ScheduleSpec.rules] != []


def test_what_a_crd_cannot_say_is_an_error() -> None:
    class Either(BaseModel):
        value: int | str

    with pytest.raises(ValueError, match="no structural form"):
        structural(Either)
