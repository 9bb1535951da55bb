"""Where the Secrets are that a WorkerQueue names."""

from __future__ import annotations

from typing import Protocol

from headrace_operator.api.names import QueueKey
from headrace_operator.api.spec import SecretKey


class Secrets(Protocol):
    """Reads one key of one Secret, in the WorkerQueue's own namespace and nowhere else."""

    async def read(self, key: QueueKey, secret: SecretKey) -> str:
        """The value as text, fresh at most a minute ago. Raises SecretUnusableError."""
        ...
