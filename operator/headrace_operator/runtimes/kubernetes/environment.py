"""The environment of a worker's container: the contract between operator and worker, as a value. No I/O."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any, Final

from headrace_operator.api.spec import EnvVar, Redis
from headrace_operator.seams.runtime import VersionSpec

Json = dict[str, Any]
METRICS_PORT: Final = 9090
CONTROL_SOCKET: Final = "/tmp/headrace.sock"  # noqa: S108 - the pod's own emptyDir
CA_MOUNT: Final = PurePosixPath("/etc/headrace/redis/ca.crt")
SHUTDOWN_SECONDS: Final = 5
"""How long SIGTERM waits for running jobs: the drain before it has already waited its grace."""
_SECRET_URL: Final = "HEADRACE_REDIS_URL"  # noqa: S105


def environment(version: VersionSpec) -> list[Json]:
    """Ours first, so that the others may refer to it as $(NAME); a name of ours can't be redefined."""
    spec = version.spec
    ours: list[Json] = [
        *_redis(spec.redis),
        {"name": "HEADRACE_QUEUES", "value": ",".join(f"{queue.name}={queue.weight}" for queue in spec.queues)},
        {"name": "HEADRACE_WORKER_ID", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "HEADRACE_VERSION", "value": version.hash},
        {"name": "HEADRACE_CONTROL_SOCKET", "value": CONTROL_SOCKET},
        {"name": "WORKER_COUNT", "value": str(spec.worker.concurrency)},
        {"name": "LEASE", "value": f"{spec.worker.lease_seconds}s"},
        {"name": "MAX_RETRIES", "value": str(spec.retry.max_retries)},
        {"name": "RETRY_BASE", "value": f"{spec.retry.base_seconds:g}s"},
        {"name": "RETRY_CAP", "value": f"{spec.retry.cap_seconds:g}s"},
        {"name": "SHUTDOWN_TIMEOUT", "value": f"{SHUTDOWN_SECONDS}s"},
        {"name": "METRICS_HOST", "value": "0.0.0.0"},  # noqa: S104 - the kubelet probes the pod's address
        {"name": "METRICS_PORT", "value": str(METRICS_PORT)},
    ]
    taken = {variable["name"] for variable in ours}
    return ours + [_variable(variable) for variable in spec.worker.env if variable.name not in taken]


def _redis(redis: Redis) -> list[Json]:
    """REDIS_URL, by way of a second variable where a parameter is to be added to a URL from a Secret."""
    parameter = _tls_parameters(redis)
    if redis.url is not None and "?" in redis.url:
        parameter = parameter.replace("?", "&", 1)
    if redis.url_secret_ref is None:
        return [{"name": "REDIS_URL", "value": f"{redis.url}{parameter}"}]
    source = {"secretKeyRef": {"name": redis.url_secret_ref.name, "key": redis.url_secret_ref.key}}
    if not parameter:
        return [{"name": "REDIS_URL", "valueFrom": source}]
    return [{"name": _SECRET_URL, "valueFrom": source}, {"name": "REDIS_URL", "value": f"$({_SECRET_URL}){parameter}"}]


def _tls_parameters(redis: Redis) -> str:
    if redis.tls is None:
        return ""
    said = [f"ca_file={CA_MOUNT}"] if redis.tls.ca_secret_ref is not None else []
    said += ["verify=no"] if redis.tls.insecure_skip_verify else []
    return f"?{'&'.join(said)}" if said else ""


def _variable(variable: EnvVar) -> Json:
    return variable.model_dump(by_alias=True, exclude_none=True, mode="json")
