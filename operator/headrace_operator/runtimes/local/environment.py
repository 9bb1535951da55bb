"""The environment of a local worker: what its pod would have, as far as a laptop can give it. Pure."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from headrace_operator.api.spec import WorkerQueueSpec

KILL_MARGIN = 15.0
"""Seconds after the drain's grace in which a worker gives back what is left; then it is killed."""
_GIVE_BACK = 5
"""Most seconds that a worker waits for running jobs after SIGTERM: the drain before it has waited already."""


def worker_environment(
    spec: WorkerQueueSpec,
    *,
    base: Mapping[str, str],
    redis_url: str,
    worker_id: str,
    version: str,
    socket: Path,
    code: Sequence[Path],
) -> dict[str, str]:
    """`base`, then the spec's variables, then what makes it this fleet's worker."""
    said = {variable.name: variable.value for variable in spec.worker.env if variable.value is not None}
    inherited = [path for path in base.get("PYTHONPATH", "").split(os.pathsep) if path]
    return {
        "LOG_FORMAT": "console",
        "PYTHONUNBUFFERED": "1",
        **base,
        **said,
        "PYTHONPATH": os.pathsep.join([*map(str, code), *inherited]),
        "REDIS_URL": redis_url,
        "HEADRACE_QUEUES": ",".join(f"{queue.name}={queue.weight}" for queue in spec.queues),
        "HEADRACE_WORKER_ID": worker_id,
        "HEADRACE_VERSION": version,
        "HEADRACE_CONTROL_SOCKET": str(socket),
        "WORKER_COUNT": str(spec.worker.concurrency),
        "MAX_RETRIES": str(spec.retry.max_retries),
        "RETRY_BASE": f"{spec.retry.base_seconds:g}s",
        "RETRY_CAP": f"{spec.retry.cap_seconds:g}s",
        "LEASE": f"{spec.worker.lease_seconds}s",
        "SHUTDOWN_TIMEOUT": f"{min(spec.drain.grace_seconds, _GIVE_BACK)}s",
        "METRICS_PORT": "0",
    }
