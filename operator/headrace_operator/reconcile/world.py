"""Everything that a reconcile reaches beyond its own record, in one value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from headrace_operator.api.names import QueueKey
from headrace_operator.api.spec import WorkerQueueSpec
from headrace_operator.reconcile.addresses import Addresses
from headrace_operator.reconcile.listener import Listener
from headrace_operator.reconcile.settings import ReconcileSettings
from headrace_operator.reconcile.watches import Watches
from headrace_operator.seams.objects import Objects
from headrace_operator.seams.runtime import Runtime

VersionOf = Callable[[WorkerQueueSpec], str]


@dataclass(frozen=True)
class World:
    """The seams, the clock, and the connections."""

    runtime: Runtime
    objects: Objects
    addresses: Addresses
    settings: ReconcileSettings
    watches: Watches
    version_of: VersionOf
    """The version that a spec asks for."""
    now: Callable[[], float]
    """Unix time in seconds."""
    listener: Listener

    def owner(self, key: QueueKey) -> str:
        """The name under which a WorkerQueue claims its queues in Redis."""
        return f"{self.settings.cluster}/{key}"
