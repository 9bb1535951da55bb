"""Secrets that WorkerQueues name, read one at a time by `get`: the operator may neither list nor watch any."""

from __future__ import annotations

import base64
import binascii

from headrace_operator.api.names import QueueKey
from headrace_operator.api.spec import SecretKey
from headrace_operator.cluster.api import Api
from headrace_operator.cluster.errors import ApiError, ApiNotFoundError
from headrace_operator.objects.short_memory import ShortMemory
from headrace_operator.seams.errors import SecretUnusableError


class KubernetesSecrets:
    """See Secrets. Asks the API server for the same Secret once in half a minute at most."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._values = ShortMemory[tuple[str, SecretKey], str](seconds=30, most=2_000)

    async def read(self, key: QueueKey, secret: SecretKey) -> str:
        """See Secrets."""
        known = self._values.get((key.namespace, secret))
        if known is not None:
            return known
        value = await self._fetch(key.namespace, secret)
        self._values.put((key.namespace, secret), value)
        return value

    async def _fetch(self, namespace: str, secret: SecretKey) -> str:
        try:
            found = await self._api.get(f"/api/v1/namespaces/{namespace}/secrets/{secret.name}")
        except ApiNotFoundError as exc:
            raise SecretUnusableError(f"there is no Secret {secret.name} in {namespace}") from exc
        except ApiError as exc:
            raise SecretUnusableError(f"Secret {secret.name} can't be read: {exc}") from exc
        encoded = (found.get("data") or {}).get(secret.key)
        if encoded is None:
            raise SecretUnusableError(f"Secret {secret.name} has no key {secret.key}")
        try:
            return base64.b64decode(encoded).decode()
        except (binascii.Error, UnicodeDecodeError) as exc:
            raise SecretUnusableError(f"key {secret.key} of Secret {secret.name} is no text") from exc
