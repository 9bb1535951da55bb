"""Names what a WorkerQueue says that has no effect on a laptop. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from headrace_operator.api.spec import WorkerQueueSpec


def unused_fields(spec: WorkerQueueSpec) -> list[str]:
    """Paths of the fields that are set in vain, as YAML spells them."""
    return ["spec.redis", *_of_worker(spec)]


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
