"""What a scraper reads of /metrics: parsed by the client library's own parsers, and judged by promtool.

Knows no metric of ours: names and labels are what a test asks for.
"""

from __future__ import annotations

import subprocess

from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_plain

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]
"""(name, labels) → value."""


def families(kind: str, text: str) -> list[Metric]:
    """The metrics of an answer of that Content-Type. Raises ValueError for text that is none."""
    parse = parse_openmetrics if kind.startswith("application/openmetrics-text") else parse_plain
    return list(parse(text))


def samples(kind: str, text: str) -> Samples:
    """Every series of an answer of that Content-Type; fails for one that stands there twice."""
    found: Samples = {}
    for family in families(kind, text):
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in found, f"{key} twice: Prometheus refuses such a scrape"
            found[key] = sample.value
    return found


def value(found: Samples, name: str, **labels: str) -> float:
    """The series with exactly these labels. Raises KeyError."""
    return found[name, frozenset(labels.items())]


def check_by_promtool(text: str) -> None:
    """Fails with whatever promtool says of an answer in the plain format."""
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=text, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
