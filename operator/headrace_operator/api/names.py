"""Every name that headrace puts into Kubernetes: group, kinds, labels, annotations. Spelled nowhere else."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

GROUP: Final = "headrace.dev"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"
KIND: Final = "WorkerQueue"
PLURAL: Final = "workerqueues"
SCHEDULE_KIND: Final = "Schedule"
SCHEDULE_PLURAL: Final = "schedules"

QUEUE_LABEL: Final = f"{GROUP}/queue"
"""On everything that runs for a WorkerQueue: its name."""
VERSION_LABEL: Final = f"{GROUP}/version"
"""On a version's Deployment and pods: the version's hash."""
REPLAY_ANNOTATION: Final = f"{GROUP}/replay"
"""Written by people: which dead letters to run again."""
REPLAY_ID_ANNOTATION: Final = f"{GROUP}/replay-id"
"""Written by the operator: the request that it has accepted."""
RUN_NOW_ANNOTATION: Final = f"{GROUP}/run-now"
"""On a Schedule, written by people: run it once, now; the value is the request's id, which runs once ever."""
RUN_REQUEST: Final = re.compile(r"[A-Za-z0-9._:-]{1,100}")
"""What that id may be, whole."""
RUN_NOW_ID_ANNOTATION: Final = f"{GROUP}/run-now-id"
"""On a Schedule, written by the operator: the request that it has accepted."""
PAUSED_ANNOTATION: Final = f"{GROUP}/paused"
"""Written by people: "true" does what spec.paused does."""
PROTECTED_ANNOTATION: Final = f"{GROUP}/protected"
"""On a pod in the middle of a long job: the annotations that the operator has added to keep it from eviction."""
APP_ANNOTATION: Final = f"{GROUP}/app"
"""On a version's Deployment: the module it runs."""

NAME_LENGTH: Final = 52
"""Longest name of a WorkerQueue: `<name>-<hash>` must fit a label's 63 characters."""


@dataclass(frozen=True, order=True)
class ObjectKey:
    """Which object of its kind: what watches, runtimes and status writes are keyed by."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


QueueKey = ObjectKey
"""Which WorkerQueue."""
ScheduleKey = ObjectKey
"""Which Schedule."""


def resources_path(plural: str, namespace: str = "") -> str:
    """Where the API server has the objects of one of our kinds, in a namespace or in the whole cluster."""
    scope = f"/namespaces/{namespace}" if namespace else ""
    return f"/apis/{API_VERSION}{scope}/{plural}"


def worker_queues_path(namespace: str = "") -> str:
    """Where the API server has the WorkerQueues of a namespace, or of the whole cluster."""
    return resources_path(PLURAL, namespace)


def worker_queue_path(key: QueueKey) -> str:
    """Where the API server has this one."""
    return f"{worker_queues_path(key.namespace)}/{key.name}"


def selector(key: QueueKey) -> str:
    """The label selector of all pods of a WorkerQueue, for the scale subresource."""
    return f"{QUEUE_LABEL}={key.name}"
