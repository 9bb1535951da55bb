"""Names what a WorkerQueue says that has no effect on a laptop. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from headrace_operator.api.breaker import Breaker
from headrace_operator.api.disruption import Disruption
from headrace_operator.api.rollout import Rollout
from headrace_operator.api.spec import WorkerQueueSpec


def unused_fields(spec: WorkerQueueSpec) -> list[str]:
    """Paths of the fields that are set in vain, as YAML spells them."""
    return [
        "spec.redis",
        *_of_worker(spec),
        *_of_breaker(spec),
        *_of_rollout(spec),
        *(["spec.disruption"] if spec.disruption != Disruption() else []),
    ]


def _of_worker(spec: WorkerQueueSpec) -> Iterator[str]:
    worker = spec.worker
    for name, value in (
        ("image", worker.image),
        ("imagePullPolicy", worker.image_pull_policy),
        ("resources", worker.resources),
        ("podTemplate", worker.pod_template),
    ):
        if value is not None:
            yield f"spec.worker.{name}"
    for number, variable in enumerate(worker.env):
        if variable.value_from is not None:
            yield f"spec.worker.env[{number}].valueFrom"


def _of_breaker(spec: WorkerQueueSpec) -> Iterator[str]:
    """Here is always room for another process."""
    if spec.scaling.breaker.unschedulable_seconds != Breaker().unschedulable_seconds:
        yield "spec.scaling.breaker.unschedulableSeconds"


def _of_rollout(spec: WorkerQueueSpec) -> Iterator[str]:
    """Saved code shall run at once, so nothing is tried out first."""
    default = Rollout()
    if spec.rollout.gate != default.gate:
        yield "spec.rollout.gate"
    if spec.rollout.progress_deadline_seconds != default.progress_deadline_seconds:
        yield "spec.rollout.progressDeadlineSeconds"
