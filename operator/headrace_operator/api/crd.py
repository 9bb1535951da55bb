"""The CustomResourceDefinitions, made from the models: `python -m …api.crd <folder>` writes them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import yaml

from headrace_operator.api.names import GROUP, KIND, PLURAL, SCHEDULE_KIND, SCHEDULE_PLURAL, VERSION
from headrace_operator.api.part import Part
from headrace_operator.api.schedule import Schedule
from headrace_operator.api.schedule_spec import ScheduleSpec
from headrace_operator.api.schedule_status import ScheduleStatus
from headrace_operator.api.spec import WorkerQueueSpec
from headrace_operator.api.status import WorkerQueueStatus
from headrace_operator.api.structural import Schema, structural
from headrace_operator.api.worker_queue import WorkerQueue

HEADER = "# Made by `make crds` from operator/headrace_operator/api; edit the models, not this file.\n"


def worker_queue_crd() -> dict[str, Any]:
    """The WorkerQueue CRD as its JSON form."""
    scale = {
        "specReplicasPath": ".spec.replicas",
        "statusReplicasPath": ".status.replicas",
        "labelSelectorPath": ".status.selector",
    }
    schema = _schema(WorkerQueue, WorkerQueueSpec, WorkerQueueStatus)
    return _crd(KIND, PLURAL, "wq", schema, {"status": {}, "scale": scale}, _columns())


def schedule_crd() -> dict[str, Any]:
    """The Schedule CRD as its JSON form."""
    schema = _schema(Schedule, ScheduleSpec, ScheduleStatus)
    return _crd(SCHEDULE_KIND, SCHEDULE_PLURAL, "sched", schema, {"status": {}}, _schedule_columns())


def _crd(
    kind: str,
    plural: str,
    short: str,
    schema: Schema,
    subresources: dict[str, Any],
    columns: list[dict[str, Any]],
) -> dict[str, Any]:
    version = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        "subresources": subresources,
        "additionalPrinterColumns": columns,
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": kind,
                "listKind": f"{kind}List",
                "plural": plural,
                "singular": kind.lower(),
                "shortNames": [short],
                "categories": ["headrace"],
            },
            "versions": [version],
        },
    }


def _schema(model: type[Part], spec: type[Part], status: type[Part]) -> Schema:
    return {
        "type": "object",
        "description": model.__doc__,
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": structural(spec),
            "status": structural(status),
        },
        "x-kubernetes-validations": [rule.as_validation() for rule in model.rules],
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


def _schedule_columns() -> list[dict[str, Any]]:
    condition = ".status.conditions[?(@.type=='Ready')].{}"
    return [
        _column("Cron", "string", ".spec.cron"),
        _column("Time zone", "string", ".spec.timeZone"),
        _column("Suspend", "boolean", ".spec.suspend"),
        _column("Ready", "string", condition.format("status")),
        _column("Reason", "string", condition.format("reason")),
        _column("Last", "date", ".status.lastScheduleTime"),
        # kubectl writes a date as an age, and one that is to come as <invalid>.
        _column("Next", "string", ".status.nextScheduleTime"),
        _column("Missed", "integer", ".status.missed"),
        _column("Age", "date", ".metadata.creationTimestamp"),
        _column("Task", "string", ".spec.task", wide=True),
        _column("Worker queue", "string", ".spec.workerQueue", wide=True),
        _column("Enqueued", "integer", ".status.enqueued", wide=True),
        _column("Skipped", "integer", ".status.skipped", wide=True),
        _column("Last job", "string", ".status.lastJobId", wide=True),
        _column("When", "string", ".status.description", wide=True),
        _column("Message", "string", condition.format("message"), wide=True),
    ]


def _column(name: str, kind: str, path: str, *, wide: bool = False) -> dict[str, Any]:
    column = {"name": name, "type": kind, "jsonPath": path}
    return column | {"priority": 1} if wide else column


class _PlainDumper(yaml.SafeDumper):
    """Repeats what occurs twice: aliases are hard to read, and not every tool resolves them."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def render(crd: dict[str, Any]) -> str:
    """A CRD as the YAML file that is kept in crds/."""
    text: str = yaml.dump(crd, Dumper=_PlainDumper, sort_keys=False, allow_unicode=True, width=110)
    return HEADER + text


def main(*folders: Path) -> None:
    """Write the files into each of `folders`."""
    for crd in (worker_queue_crd(), schedule_crd()):
        for folder in folders:
            (folder / f"{crd['metadata']['name']}.yaml").write_text(render(crd), encoding="utf-8")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
