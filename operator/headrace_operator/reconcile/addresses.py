"""Which Redis a WorkerQueue means, and whether the operator may connect there. Opens no connection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from headrace.wire.target import Target, parse_target
from headrace_operator.api.worker_queue import WorkerQueue
from headrace_operator.seams.errors import HostNotAllowedError, SecretUnusableError
from headrace_operator.seams.secrets import Secrets


class Addresses(Protocol):
    """Answers which Redis a WorkerQueue means."""

    async def find(self, queue: WorkerQueue) -> Target:
        """Where its queues are.

        Raises SecretUnusableError, HostNotAllowedError, or ConfigError for a URL that makes no sense.
        """
        ...


class SpecAddresses:
    """As the spec says: its URL, or the Secret that holds one."""

    def __init__(self, secrets: Secrets, allowed_hosts: Sequence[str] = ()) -> None:
        """`allowed_hosts`: names, addresses and `*.domain`; none means any. Whoever may write a WorkerQueue could
        otherwise make the operator knock at every address that it can reach.
        """
        self._secrets = secrets
        self._allowed = tuple(host.lower().rstrip(".") for host in allowed_hosts)

    async def find(self, queue: WorkerQueue) -> Target:
        """See Addresses."""
        target = await self._plain(queue)
        if self._allowed and (where := _refused(target, self._allowed)):
            raise HostNotAllowedError(
                f"{where} is not among the allowedRedisHosts of this operator, so it does not connect there"
            )
        tls = queue.spec.redis.tls
        if tls is None:
            return target
        authority = await self._secrets.read(queue.key, tls.ca_secret_ref) if tls.ca_secret_ref else None
        return replace(target, ca_data=authority, verify=not tls.insecure_skip_verify)

    async def _plain(self, queue: WorkerQueue) -> Target:
        redis = queue.spec.redis
        if redis.url is not None:
            return parse_target(redis.url, "spec.redis.url")
        if redis.url_secret_ref is None:
            raise SecretUnusableError("spec.redis names neither a url nor a secret")
        url = await self._secrets.read(queue.key, redis.url_secret_ref)
        secret = redis.url_secret_ref
        return parse_target(url.strip(), f"key {secret.key} of Secret {secret.name}")


def _refused(target: Target, allowed: Sequence[str]) -> str | None:
    """The first host that is not allowed; a socket's path is no host. What Sentinels or the nodes of a Cluster on
    allowed hosts name themselves is as trusted as they are.
    """
    if target.unix_path is not None:
        return "a unix socket"
    return next((host for host in target.hosts if not _is_allowed(host.lower().rstrip("."), allowed)), None)


def _is_allowed(host: str, allowed: Sequence[str]) -> bool:
    """A wildcard stands for one label or more."""
    return any(host.endswith(one[1:]) if one.startswith("*.") else host == one for one in allowed)


class OneAddress:
    """The same Redis for all, whatever their specs say."""

    def __init__(self, target: Target) -> None:
        self._target = target

    async def find(self, queue: WorkerQueue) -> Target:
        """See Addresses."""
        return self._target
