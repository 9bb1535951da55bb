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


class TroubleKind(StrEnum):
    """What keeps a worker from running, where more workers would fare no better."""

    CRASH_LOOP = "crash loop"
    """It ends by itself again and again, soon after each start."""
    UNSCHEDULABLE = "unschedulable"
    """There is no room for it."""


@dataclass(frozen=True)
class Trouble:
    """Such trouble, and when."""

    kind: TroubleKind
    time: float
    """Unix seconds: the last end of one that crashes; since when the other has been waiting. 0 if nobody knows."""


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
    aimed: bool = False
    """Seen as one of the first to be taken away, see Runtime.aim."""
    protected: bool = False
    """Whoever clears nodes leaves it alone, see Runtime.protect."""
    trouble: Trouble | None = None
    """Only of one that has failed."""


@dataclass(frozen=True)
class VersionSpec:
    """A version to run: its hash, and everything its workers are made of."""

    hash: str
    spec: WorkerQueueSpec


@dataclass(frozen=True)
class Exit:
    """A worker's process that ended by itself, and not well."""

    id: str
    """Its own among all that ever end so, and the same however often it is looked at."""
    why: str
    """In one line."""
    final: bool = False
    """The worker said that its configuration is wrong, so every other one will end like it."""


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
    exits: tuple[Exit, ...] = ()
    """How workers that still exist have ended by themselves, as far as it can be seen yet, the last one last."""


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
        """Create `version` with no workers, unless it exists. Raises VersionRefusedError for one that can't be."""
        ...

    async def aim(self, key: QueueKey, workers: Collection[str]) -> None:
        """Make exactly these the first to be taken away, and no others of the queue; worker ids.

        Who is gone already is passed over. WorkerState.aimed shows it once it is seen, and whoever chooses
        may see it a little later still.
        """
        ...

    async def scale(self, key: QueueKey, version: str, replicas: int) -> None:
        """Ask for `replicas` workers of the version with that hash.

        Workers to take away are chosen so: those that aren't ready, then those that are aimed at, then any.
        Raises VersionNotFoundError for a version that doesn't exist.
        """
        ...

    async def protect(self, key: QueueKey, workers: Collection[str]) -> None:
        """Mark exactly these workers (ids), so that whoever clears nodes to save money leaves them alone for now.

        A worker that doesn't exist or that terminates is passed over. Does nothing where nobody clears nodes.
        """
        ...

    async def limit_disruption(self, key: QueueKey, most: int | str | None) -> None:
        """Let those who clear nodes take away `most` workers at the same time: a number or a percentage (`25%`).

        None takes the limit away. It goes with the WorkerQueue by itself. Does nothing where nobody clears nodes.
        """
        ...

    async def remove(self, key: QueueKey, version: str) -> None:
        """Drain all workers of the version with that hash and forget it; nothing if there is none."""
        ...

    async def remove_all(self, key: QueueKey) -> None:
        """Drain all workers and forget all versions: the WorkerQueue was deleted. Its jobs stay in Redis."""
        ...
