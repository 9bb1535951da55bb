"""The Prometheus operator's kinds, as far as a test needs them, and promtool's view of rules and queries."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

Json = dict[str, Any]
GROUP = "monitoring.coreos.com"
PLURALS = {"ServiceMonitor": "servicemonitors", "PodMonitor": "podmonitors", "PrometheusRule": "prometheusrules"}
KINDS = tuple(f"{GROUP}/v1/{kind}" for kind in PLURALS)
ENABLED = (
    "metrics.serviceMonitor.enabled=true",
    "metrics.podMonitor.enabled=true",
    "metrics.prometheusRule.enabled=true",
    "metrics.dashboard.enabled=true",
)
_METRIC = re.compile(r"\bheadrace_(?!dev_)\w+|\b\w+(?=\{[^}]*headrace_dev_queue)")
"""Ours by their prefix, or by the label that every worker's series gets of its pod."""

HAS_PROMTOOL = shutil.which("promtool") is not None
needs_promtool = pytest.mark.skipif(not HAS_PROMTOOL, reason="promtool is not installed")


def crds() -> list[Json]:
    """CRDs that accept anything of these kinds."""
    return [_crd(kind, plural) for kind, plural in PLURALS.items()]


def _crd(kind: str, plural: str) -> Json:
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    schema = {"openAPIV3Schema": {"type": "object", "required": ["spec"], "properties": {"spec": anything}}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
        },
    }


def write(path: Path, content: Json) -> Path:
    """YAML that promtool reads."""
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


def promtool(*arguments: str | Path) -> None:
    """Fails with what promtool says."""
    done = subprocess.run(["promtool", *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def metrics_in(text: str) -> set[str]:
    """Names of our metrics that are mentioned there."""
    return set(_METRIC.findall(text))
