"""Where workers run: as pods, local processes, in a test's memory. Moves counts, never decides them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from headrace_operator.api.names import QueueKey
from headrace_operator.api.spec import WorkerQueueSpec


class WorkerPhase(StrEnum):
    """Where a worker is in its life."""

    STARTING = "starting"
    READY = "ready"
    """Has fetched from Redis once; stays so through an outage."""
    TERMINATING = "terminating"
    """Drains: claims nothing and finishes what it runs."""
    FAILED = "failed"
    """Has ended by itself, can't start, or waits to be started again."""


@dataclass(frozen=True)
class WorkerState:
    """One worker as its runtime sees it."""

    id: str
    """The pod's name or the local worker's; equal to `worker` in the queue's presence."""
    version: str
    """Hash of its version."""
    phase: WorkerPhase
    started: float
    """Unix time in seconds."""
    message: str = ""
    """Why it failed, in one line."""


@dataclass(frozen=True)
class VersionSpec:
    """A version to run: its hash, and everything its workers are made of."""

    hash: str
    spec: WorkerQueueSpec


@dataclass(frozen=True)
class VersionState:
    """The workers of one version, counted."""

    hash: str
    desired: int
    """Workers asked for."""
    ready: int
    """Workers that are ready, at most `desired`."""
    terminating: int
    """Workers beyond `desired` that still exist, whether they drain already or have yet to be told.

    So desired + terminating is never less than the workers that exist.
    """
    failing: str | None = None
    """Why workers of this version can't run (crash loop, no image, unschedulable), in one line, else None.

    One broken worker among others that run is no reason; a version without workers is not failing.
    """
    created: float = 0.0
    """Unix time in seconds."""
    app: str = ""
    image: str = ""


class Runtime(Protocol):
    """Runs the workers of many WorkerQueues.

    Guarantees: every call may be repeated and then changes nothing. A call returns once its wish is
    recorded, not once it is fulfilled; versions() and workers() show how far it is. A worker that is taken
    away is always drained first, for `spec.drain.graceSeconds` of its own version. A version's workers
    never change: another spec is another version. Failures are HeadraceErrors and mean: nothing, or not
    everything, was done; try again later.
    """

    async def versions(self, key: QueueKey) -> list[VersionState]:
        """The versions that exist, the oldest first; those at zero too, until removed."""
        ...

    async def workers(self, key: QueueKey) -> list[WorkerState]:
        """The workers that exist, terminating ones included."""
        ...

    async def ensure(self, key: QueueKey, version: VersionSpec) -> None:
        """Create `version` with no workers, unless it exists."""
        ...

    async def scale(self, key: QueueKey, version: str, replicas: int, victims: Collection[str] = ()) -> None:
        """Ask for `replicas` workers of the version with that hash.

        Workers to take away are chosen so: those that aren't ready, then `victims` (worker ids; a hint),
        then the youngest. Raises VersionNotFoundError for a version that doesn't exist.
        """
        ...

    async def remove(self, key: QueueKey, version: str) -> None:
        """Drain all workers of the version with that hash and forget it; nothing if there is none."""
        ...

    async def remove_all(self, key: QueueKey) -> None:
        """Drain all workers and forget all versions: the WorkerQueue was deleted. Its jobs stay in Redis."""
        ...
