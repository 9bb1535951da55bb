"""What one read of a queue tells: the autoscaler's and the status page's only source. Pure data."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


class VersionCounts(msgspec.Struct, frozen=True, kw_only=True):
    """What the workers of one version have done since the queue was made. Counts only grow."""

    completed: int = 0
    failed: int = 0
    """Runs that ended in an error, retried or not; while the version is on trial only the first of each job."""
    dead: int = 0
    returned: int = 0
    """Failed runs that were charged to nobody, because the version was on trial."""
    crashed: int = 0
    """Sessions that ended without a word while they held jobs."""
    service_us: int = 0
    """Sum of handler run times, completed and failed, in microseconds."""


class WorkerPresence(msgspec.Struct, frozen=True, kw_only=True):
    """One worker session as it last described itself; `leases` and `cordoned` are the server's own view."""

    sid: str
    """Random per process and session."""
    worker: str
    """Name of the pod or local process; equal to the runtime's worker id."""
    version: str
    """The WorkerQueue version hash this worker was started with; empty outside a fleet."""
    slots: int
    running: int
    draining: bool
    protocol: int
    started_ms: int
    busy_ms: int | None = None
    """How long its longest-running job, of any queue, had been running at its last renewal, at most two seconds ago:
    milliseconds by its own stopwatch, so no clock has to be right. 0: nothing ran; None: it is too old to tell."""
    leases: int = 0
    cordoned: bool = False
    expires_ms: int = 0
    """When its lease ends unless renewed, in Redis time, Unix milliseconds."""


class PlannedTick(msgspec.Struct, frozen=True, kw_only=True):
    """The next run of a periodic task; it stands among the scheduled jobs."""

    due_ms: int
    schedule: str
    """As `cron <fields> <time zone>` or `every <seconds>`."""


class QueueStats(msgspec.Struct, frozen=True, kw_only=True):
    """A consistent snapshot of one queue. Times are Unix time on the Redis server's clock."""

    queue: str
    now_ms: int
    ready: int = 0
    """Runnable and unclaimed, all priorities, suspects included."""
    due: int = 0
    """Scheduled jobs whose time has come but which no exchange has promoted yet, and limit keys whose rate lets a
    parked job go."""
    scheduled: int = 0
    """Delayed jobs and retries whose time has not come."""
    leased: int = 0
    parked: int = 0
    """Blocked by a limit of their key."""
    awaiting: int = 0
    """Wait for other jobs of their workflows."""
    held: int = 0
    """Would be ready, but the queue's own rate lets them go only later."""
    dead: int = 0
    oldest_ready_ms: int | None = None
    """Since when the longest-waiting runnable job has been runnable."""
    next_due_ms: int | None = None
    """When the earliest scheduled job falls due, or a rate lets a job go."""
    oldest_dead_ms: int | None = None
    expired_sessions: int = 0
    """Sessions past their deadline whose leases nobody has reaped yet."""
    paused: bool = False
    asleep: bool = False
    owner: str | None = None
    """The WorkerQueue that claimed this Redis queue, as `cluster/namespace/name`."""
    protocol: int = 0
    """Highest protocol that a worker of this queue has ever spoken; 0: none since protocols are noted."""
    least_protocol: int = 0
    """Lowest protocol that a worker must speak to join."""
    trial: tuple[str, ...] = ()
    """Versions on trial: what their workers fail is given back uncharged."""
    trial_left_ms: int = 0
    """How long they stay so, unless the operator says it again."""
    enqueued: int = 0
    """Jobs ever enqueued; only grows."""
    released: int = 0
    crashed: int = 0
    stale: int = 0
    """Settlements refused because their session had lost its lease."""
    cancelled: int = 0
    replayed: int = 0
    ticks: Mapping[str, PlannedTick] = msgspec.field(default_factory=dict)
    """Periodic task → its latest planned run; one in the past has not been followed yet by the next."""
    versions: Mapping[str, VersionCounts] = msgspec.field(default_factory=dict)
    """By version, for those that matter yet; what older ones have done is added up as `*`, so that sums only grow."""
    failures: Mapping[str, Mapping[str, int]] = msgspec.field(default_factory=dict)
    """Jobs that versions on trial have failed, by version and reason: class of the exception, or `other`."""
    workers: tuple[WorkerPresence, ...] = ()

    @property
    def used(self) -> bool:
        """Whether a producer, a worker or a WorkerQueue has ever been here: else its name may be a wrong one."""
        jobs = self.enqueued + self.scheduled + self.parked + self.awaiting + self.dead + self.replayed + self.cancelled
        return bool(jobs + self.demand + self.held or self.protocol or self.owner or self.workers or self.versions)

    @property
    def demand(self) -> int:
        """Jobs that a worker could be running now: runnable plus due plus in flight."""
        return self.ready + self.due + self.leased
