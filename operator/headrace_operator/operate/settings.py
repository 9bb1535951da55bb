"""The Kubernetes operator's settings: environment variables, checked once."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from headrace.errors import ConfigError

_NAMESPACE_FILE: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_HOST: Final = re.compile(r"(\*\.)?[a-z0-9_]([-a-z0-9_.:]{0,252}[a-z0-9_])?", re.IGNORECASE)
"""Name or address, perhaps with a wildcard for its first labels."""
_LEVELS: Final = ("debug", "info", "warning", "error")
WHOLE_CLUSTER: Final = "*"

VARIABLES: Final[Mapping[str, str]] = {
    "HEADRACE_CLUSTER_NAME": "who claims queues in Redis; clusters that share a Redis must differ (default)",
    "WATCH_NAMESPACES": "namespaces with WorkerQueues, separated by commas, or * for all (the operator's own)",
    "HEADRACE_WORKER_IMAGE": "image of workers whose WorkerQueue names none (none)",
    "ALLOWED_REDIS_HOSTS": "hosts, or *.domain, that WorkerQueues may name for their Redis, separated by commas (any)",
    "AUDIT_SECONDS": "between two audits of a queue, if they don't take longer; 0 for none (300)",
    "LOG_LEVEL": "debug, info, warning or error (info)",
    "LEASE_NAME": "name of the Lease by which replicas of the operator agree on a leader (headrace-operator)",
    "POD_NAMESPACE": "the operator's own namespace, where the Lease is (the pod's)",
    "POD_NAME": "the operator's own name (the host's)",
    "METRICS_HOST": "address that /livez, /readyz and /metrics listen on (0.0.0.0)",
    "METRICS_PORT": "their port (8080)",
}
"""Name → meaning (default)."""


@dataclass(frozen=True, kw_only=True)
class OperatorSettings:
    """One field per variable."""

    cluster: str
    namespaces: tuple[str, ...]
    """Empty: the whole cluster."""
    worker_image: str | None
    allowed_redis_hosts: tuple[str, ...]
    """As AllowedHosts takes them; empty: any."""
    audit_every: int
    """Seconds; 0: never."""
    log_level: str
    lease_name: str
    pod_namespace: str
    pod_name: str
    metrics_host: str
    metrics_port: int


def load_operator_settings(environ: Mapping[str, str]) -> OperatorSettings:
    """Raises ConfigError with one line that names the variable and what it takes."""

    def read(name: str, default: str, check: Callable[[str], str]) -> str:
        try:
            return check(environ.get(name, "").strip() or default)
        except ConfigError as exc:
            raise ConfigError(f"{name}: {exc}") from None

    own = read("POD_NAMESPACE", _own_namespace(), _label)
    return OperatorSettings(
        cluster=read("HEADRACE_CLUSTER_NAME", "default", _label),
        namespaces=_namespaces(read("WATCH_NAMESPACES", own, _list_of_labels)),
        worker_image=environ.get("HEADRACE_WORKER_IMAGE", "").strip() or None,
        allowed_redis_hosts=_list(read("ALLOWED_REDIS_HOSTS", "", _list_of_hosts)),
        audit_every=int(read("AUDIT_SECONDS", "300", _seconds)),
        log_level=read("LOG_LEVEL", "info", _level),
        lease_name=read("LEASE_NAME", "headrace-operator", _label),
        pod_namespace=own,
        pod_name=environ.get("POD_NAME", "").strip() or socket.gethostname(),
        metrics_host=environ.get("METRICS_HOST", "").strip() or "0.0.0.0",  # noqa: S104 - the kubelet probes it
        metrics_port=int(read("METRICS_PORT", "8080", _port)),
    )


def _own_namespace() -> str:
    return _NAMESPACE_FILE.read_text().strip() if _NAMESPACE_FILE.exists() else "default"


def _namespaces(text: str) -> tuple[str, ...]:
    return () if text == WHOLE_CLUSTER else _list(text)


def _list(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(filter(None, text.split(","))))


def _list_of_labels(text: str) -> str:
    if text == WHOLE_CLUSTER:
        return text
    return ",".join(_label(part.strip()) for part in text.split(",") if part.strip())


def _list_of_hosts(text: str) -> str:
    hosts = [part.strip() for part in text.split(",") if part.strip()]
    for host in hosts:
        if not _HOST.fullmatch(host):
            raise ConfigError(f"must be names, addresses or *.domain, without scheme or port, got {host!r}")
    return ",".join(hosts)


def _label(text: str) -> str:
    if not _LABEL.fullmatch(text):
        raise ConfigError(f"must be a name of at most 63 of a-z, 0-9 and -, got {text!r}")
    return text


def _level(text: str) -> str:
    if text.lower() not in _LEVELS:
        raise ConfigError(f"must be {', '.join(_LEVELS[:-1])} or {_LEVELS[-1]}, got {text!r}")
    return text.lower()


def _seconds(text: str) -> str:
    if not text.isascii() or not text.isdigit() or int(text) > 86_400:
        raise ConfigError(f"must be a whole number of seconds from 0 to 86400, got {text!r}")
    return text


def _port(text: str) -> str:
    if not text.isascii() or not text.isdigit() or int(text) > 65_535:
        raise ConfigError(f"must be a port from 0 to 65535, got {text!r}")
    return text
