"""The version of a worker: a hash over everything that people said about it, and over nothing else.

Two specs with the same hash run the same pods, so it covers what reaches a pod: worker, Redis, queues, drain and
retries. It leaves out what is at its default and what the operator adds by itself (its default image, probes,
security context). So an upgrade of the operator or of the CRD, even with new fields, restarts no worker; in return
a default in the API may never change. Scaling, rollout, replicas and paused are matters of the fleet.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from headrace_operator.api.part import Part
from headrace_operator.api.spec import WorkerQueueSpec

LENGTH = 10


def version_hash(spec: WorkerQueueSpec) -> str:
    """Ten hex digits; the order of queues doesn't count, that of variables does (one may refer to another)."""
    said = {
        "worker": _said(spec.worker),
        "redis": _said(spec.redis),
        "queues": sorted((_said(queue) for queue in spec.queues), key=lambda queue: str(queue["name"])),
        "drain": _said(spec.drain),
        "retry": _said(spec.retry),
    }
    canonical = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()[:LENGTH]


def _said(part: Part) -> dict[str, Any]:
    return part.model_dump(mode="json", by_alias=True, exclude_defaults=True)
