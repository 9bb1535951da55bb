"""A Grafana dashboard as a test reads it: its panels, its variables, and its queries as Grafana would send them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]
_LEGEND = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_LABEL_VALUES = re.compile(r"label_values\((?P<series>.+), (?P<label>\w+)\)")


@dataclass(frozen=True)
class Query:
    """One query of a panel."""

    panel: str
    """Title."""
    expr: str
    legend: str

    @property
    def shown(self) -> set[str]:
        """Labels that the legend names."""
        return set(_LEGEND.findall(self.legend))

    def sent(self, **variables: str) -> str:
        """With its variables filled in."""
        return fill(self.expr, variables)


def panels(dashboard: Json) -> list[Json]:
    """Those that draw something."""
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def queries(dashboard: Json) -> list[Query]:
    """All of them."""
    return [
        Query(panel["title"], target["expr"], target["legendFormat"])
        for panel in panels(dashboard)
        for target in panel["targets"]
    ]


def lists(dashboard: Json) -> Iterator[tuple[str, str, str]]:
    """Variables that are read from Prometheus: name, label, series."""
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            found = _LABEL_VALUES.fullmatch(variable["query"])
            assert found is not None, variable["query"]
            yield variable["name"], found["label"], found["series"]


def fill(text: str, variables: Mapping[str, str]) -> str:
    """Fails for a variable that has no value."""
    for name, value in sorted(variables.items(), reverse=True):
        text = text.replace(f"${name}", value)
    assert "$" not in text, text
    return text
