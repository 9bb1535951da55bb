"""`headrace-operator cli NAMESPACE/NAME[/QUEUE] VERB …`: the `headrace` command on the queues of a WorkerQueue.

For `kubectl headrace`, which runs it in the operator's pod, where the address of Redis and its password are at hand. It
serves the namespaces that the operator watches, connects only where the operator may, and prints no address.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from headrace.errors import ConfigError, HeadraceError, UsageError
from headrace_operator.api.names import QueueKey, worker_queue_path
from headrace_operator.api.worker_queue import WorkerQueue, read_worker_queue
from headrace_operator.cluster.api import Api, connect
from headrace_operator.cluster.errors import ApiNotFoundError
from headrace_operator.core.conditions import ConditionReason
from headrace_operator.objects.secrets import KubernetesSecrets
from headrace_operator.operate.queue_words import command_line
from headrace_operator.operate.settings import OperatorSettings
from headrace_operator.reconcile.addresses import SpecAddresses

_NAME = re.compile(r"([a-z0-9][-a-z0-9]*)/([a-z0-9][-a-z0-9]*)(?:/([a-z0-9][-a-z0-9._]*))?")


@dataclass(frozen=True)
class Resolved:
    """A command line, and what it needs to know."""

    arguments: list[str]
    """For `headrace`."""
    url: str
    authority: str | None
    """Certificates to trust, as PEM; None: the system's."""
    verify: bool


async def resolve(settings: OperatorSettings, name: str, words: Sequence[str]) -> Resolved:
    """Raises UsageError, ApiError, or what finding an address raises."""
    found = _NAME.fullmatch(name)
    if found is None:
        raise UsageError(f"name a WorkerQueue as namespace/name, or namespace/name/queue, not {name!r}")
    key, chosen = QueueKey(found[1], found[2]), found[3]
    if settings.namespaces and key.namespace not in settings.namespaces:
        raise UsageError(f"this operator does not watch namespace {key.namespace}")
    async with connect() as api:
        queue = await _read(api, key)
        arguments = command_line([one.name for one in queue.spec.queues], chosen, words)
        secrets = KubernetesSecrets(api)
        target = await SpecAddresses(secrets, settings.allowed_redis_hosts).find(queue)
        redis = queue.spec.redis
        url = redis.url if redis.url_secret_ref is None else await secrets.read(key, redis.url_secret_ref)
    return Resolved(arguments, (url or "").strip(), target.ca_data, target.verify)


async def _read(api: Api, key: QueueKey) -> WorkerQueue:
    try:
        queue = read_worker_queue(await api.get(worker_queue_path(key)))
    except ApiNotFoundError:
        raise ConfigError(f"there is no WorkerQueue {key.name} in namespace {key.namespace}") from None
    except ConfigError as exc:
        raise ConfigError(f"WorkerQueue {key} makes no sense: {exc}") from exc
    for condition in queue.status.conditions if queue.status is not None else ():
        if condition.reason == ConditionReason.QUEUE_OWNED_ELSEWHERE:
            raise HeadraceError(f"WorkerQueue {key} does not serve its queues: {condition.message}")
    return queue


def hand_over(resolved: Resolved) -> None:
    """Become `headrace`. The address goes by the environment, the certificates by a file without a name."""
    environ = {**os.environ, "REDIS_URL": _with_tls(resolved)}
    command = [sys.executable, "-m", "headrace", *resolved.arguments]
    os.execve(sys.executable, command, environ)  # noqa: S606


def _with_tls(resolved: Resolved) -> str:
    said = [] if resolved.verify else ["verify=no"]
    if resolved.authority is not None:
        descriptor = os.memfd_create("ca", 0)  # 0: it stays open when this process becomes another
        os.write(descriptor, resolved.authority.encode())
        said.append(f"ca_file=/proc/self/fd/{descriptor}")
    if not said:
        return resolved.url
    return f"{resolved.url}{'&' if '?' in resolved.url else '?'}{'&'.join(said)}"
