"""The chart's values as its README shows them: names and defaults from values.yaml, meanings from its schema."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import yaml

from support.helm import CHART

Json = dict[str, Any]


def values() -> Json:
    """The defaults."""
    found: Json = yaml.safe_load((CHART / "values.yaml").read_text())
    return found


def schema() -> Json:
    """values.schema.json."""
    found: Json = json.loads((CHART / "values.schema.json").read_text())
    return found


def table() -> str:
    """One row for each value that the schema doesn't divide further, in the order of values.yaml."""
    rows = [
        f"| `{name}` | `{json.dumps(default)}` | {meaning} |" for name, default, meaning in _rows(values(), schema())
    ]
    return "\n".join(["| value | default | meaning |", "| --- | --- | --- |", *rows])


def _rows(part: Json, described: Json, above: str = "", context: str = "") -> Iterator[tuple[str, object, str]]:
    for name, default in part.items():
        known = described["properties"][name]
        if "properties" in known:
            yield from _rows(default, known, f"{above}{name}.", f"{known['description']}: ")
        else:
            yield above + name, default, context + known["description"]
