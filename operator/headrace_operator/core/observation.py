"""What was seen of one WorkerQueue's world, as a value. Not knowing is a value of its own: unknown is never empty."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from headrace.contract.stats import QueueStats
from headrace_operator.seams.runtime import VersionState, WorkerState


class Unknown(StrEnum):
    """Why a queue's numbers are not known."""

    NOT_YET_READ = "NotYetRead"
    UNREACHABLE = "Unreachable"
    """Refused, reset, no route."""
    NAME_NOT_RESOLVED = "NameNotResolved"
    TIMED_OUT = "TimedOut"
    ACCESS_DENIED = "AccessDenied"
    """Wrong password, or the user may not do it."""
    NOT_SERVING = "NotServing"
    """Loading its data, a replica, in the middle of a failover, or out of memory."""
    WRONG_DATA = "WrongData"
    """Something else lies under the queue's keys."""
    PROTOCOL_MISMATCH = "ProtocolMismatch"
    HOST_NOT_ALLOWED = "HostNotAllowed"
    """The operator's settings don't name that host among those it may connect to; nothing was sent there."""
    SECRET_UNUSABLE = "SecretUnusable"  # noqa: S105
    """The Secret with the URL is missing or holds none."""


@dataclass(frozen=True)
class Unavailable:
    """The numbers could not be read."""

    reason: Unknown
    message: str
    """One line for people."""


@dataclass(frozen=True)
class Totals:
    """The numbers of all queues of a WorkerQueue together. Times are Unix seconds on Redis's clock."""

    ready: int = 0
    due: int = 0
    scheduled: int = 0
    leased: int = 0
    parked: int = 0
    dead: int = 0
    startable: int = 0
    """Ready and due jobs of the queues that aren't paused in Redis."""
    oldest_ready: float | None = None
    next_due: float | None = None
    oldest_dead: float | None = None
    paused: tuple[str, ...] = ()
    """Queues that are paused in Redis."""


Stats = Totals | Unavailable


def total(stats: Sequence[QueueStats | Unavailable]) -> Stats:
    """The sum over queues; unknown as soon as one of them is, since what it holds could be anything.

    Raises ValueError for no queues at all.
    """
    if not stats:
        raise ValueError("a WorkerQueue has at least one queue")
    known: list[QueueStats] = []
    for one in stats:
        if isinstance(one, Unavailable):
            return one
        known.append(one)
    return Totals(
        ready=sum(one.ready for one in known),
        due=sum(one.due for one in known),
        scheduled=sum(one.scheduled for one in known),
        leased=sum(one.leased for one in known),
        parked=sum(one.parked for one in known),
        dead=sum(one.dead for one in known),
        startable=sum(one.ready + one.due for one in known if not one.paused),
        oldest_ready=_earliest(one.oldest_ready_ms for one in known),
        next_due=_earliest(one.next_due_ms for one in known),
        oldest_dead=_earliest(one.oldest_dead_ms for one in known),
        paused=tuple(one.queue for one in known if one.paused),
    )


def _earliest(times: Iterable[int | None]) -> float | None:
    known = [time for time in times if time is not None]
    return min(known) / 1000 if known else None


@dataclass(frozen=True)
class Observation:
    """Everything that one reconcile saw."""

    stats: Stats
    versions: tuple[VersionState, ...] = ()
    """What runs, by version."""
    target: str = ""
    """Hash of the version that is to run: the one that the spec asks for, unless that was rolled back."""
    canary: str | None = None
    """Hash of a version that is tried out with one worker beside those that serve."""
    workers: tuple[WorkerState, ...] = ()
    dead_by_reason: Mapping[str, int] = field(default_factory=dict)
    """Dead letters by reason, as far as read."""
    owned_by: str | None = None
    """Another WorkerQueue that has claimed one of the queues; None while they are ours."""

    @property
    def replicas(self) -> int:
        """Workers asked for, all versions together."""
        return sum(version.desired for version in self.versions)

    @property
    def serving(self) -> int:
        """The same without the canary, which comes on top of what was decided."""
        return sum(version.desired for version in self.versions if version.hash != self.canary)

    @property
    def ready_replicas(self) -> int:
        """Workers that are ready, all versions together."""
        return sum(version.ready for version in self.versions)

    @property
    def rolling(self) -> bool:
        """An old version has workers, and nothing keeps the new one from replacing them.

        A canary replaces nobody: the fleet it stands beside may shrink.
        """
        if self.canary is not None:
            return False
        failing = any(version.failing for version in self.versions if version.hash == self.target)
        old = any(version.desired > 0 for version in self.versions if version.hash != self.target)
        return old and not failing
