"""The CustomResourceDefinition, made from the models: `python -m …api.crd <folder>` writes it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import yaml

from headrace_operator.api.names import GROUP, KIND, PLURAL, VERSION
from headrace_operator.api.spec import WorkerQueueSpec
from headrace_operator.api.status import WorkerQueueStatus
from headrace_operator.api.structural import Schema, structural
from headrace_operator.api.worker_queue import WorkerQueue

HEADER = "# Made by `make crds` from operator/headrace_operator/api; edit the models, not this file.\n"


def worker_queue_crd() -> dict[str, Any]:
    """The WorkerQueue CRD as its JSON form."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{PLURAL}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": KIND,
                "listKind": f"{KIND}List",
                "plural": PLURAL,
                "singular": KIND.lower(),
                "shortNames": ["wq"],
                "categories": ["headrace"],
            },
            "versions": [_version()],
        },
    }


def _version() -> dict[str, Any]:
    return {
        "name": VERSION,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": _schema()},
        "subresources": {
            "status": {},
            "scale": {
                "specReplicasPath": ".spec.replicas",
                "statusReplicasPath": ".status.replicas",
                "labelSelectorPath": ".status.selector",
            },
        },
        "additionalPrinterColumns": _columns(),
    }


def _schema() -> Schema:
    return {
        "type": "object",
        "description": WorkerQueue.__doc__,
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": structural(WorkerQueueSpec),
            "status": structural(WorkerQueueStatus),
        },
        "x-kubernetes-validations": [rule.as_validation() for rule in WorkerQueue.rules],
    }


def _columns() -> list[dict[str, Any]]:
    condition = ".status.conditions[?(@.type=='{}')].{}"
    return [
        _column("Ready", "string", condition.format("Ready", "status")),
        _column("Replicas", "integer", ".status.replicas"),
        _column("Ready jobs", "integer", ".status.queue.ready"),
        _column("In flight", "integer", ".status.queue.leased"),
        _column("Dead", "integer", ".status.deadLetters.total"),
        _column("Rollout", "string", ".status.rollout.phase"),
        _column("Why", "string", ".status.lastDecision.reason"),
        _column("Age", "date", ".metadata.creationTimestamp"),
        _column("Ready workers", "integer", ".status.readyReplicas", wide=True),
        _column("Scheduled", "integer", ".status.queue.scheduled", wide=True),
        _column("Paused", "string", condition.format("Paused", "status"), wide=True),
        _column("Redis", "string", condition.format("RedisAvailable", "reason"), wide=True),
        _column("App", "string", ".spec.worker.app", wide=True),
        _column("Version", "string", ".status.versions[0].hash", wide=True),
        _column("Message", "string", ".status.lastDecision.message", wide=True),
    ]


def _column(name: str, kind: str, path: str, *, wide: bool = False) -> dict[str, Any]:
    column = {"name": name, "type": kind, "jsonPath": path}
    return column | {"priority": 1} if wide else column


class _PlainDumper(yaml.SafeDumper):
    """Repeats what occurs twice: aliases are hard to read, and not every tool resolves them."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def render() -> str:
    """The CRD as the YAML file that is kept in crds/."""
    text: str = yaml.dump(worker_queue_crd(), Dumper=_PlainDumper, sort_keys=False, allow_unicode=True, width=110)
    return HEADER + text


def main(*folders: Path) -> None:
    """Write the file into each of `folders`."""
    for folder in folders:
        (folder / f"{PLURAL}.{GROUP}.yaml").write_text(render(), encoding="utf-8")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
