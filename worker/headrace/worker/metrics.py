"""The worker's numbers: plain integers on the hot path, turned into Prometheus metrics when somebody asks.

prometheus_client is imported at the first scrape, never before. Labels are task and queue names of this application
plus `unknown`, so their number is bounded.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from time import time
from typing import Any, Final

BUCKETS: Final = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)
"""Upper bounds in seconds, shared by duration and latency."""


@dataclass(frozen=True, slots=True)
class Example:
    """One observation, and the trace that shows it."""

    trace_id: str
    seconds: float
    time: float
    """Unix seconds."""


class Histogram:
    """Counts per bucket; the last is +Inf."""

    __slots__ = ("counts", "examples", "total")

    def __init__(self) -> None:
        self.examples: dict[int, Example] = {}
        """Bucket → its latest traced observation."""
        self.counts = [0] * (len(BUCKETS) + 1)
        self.total = 0.0

    def observe(self, seconds: float) -> None:
        """Count one."""
        self.counts[bisect_left(BUCKETS, seconds)] += 1
        self.total += seconds

    def remember(self, seconds: float, trace_id: str) -> None:
        """Keep what was counted as its bucket's example."""
        self.examples[bisect_left(BUCKETS, seconds)] = Example(trace_id, seconds, time())


@dataclass(slots=True)
class TaskMetrics:
    """One task's counts."""

    queue: str
    task: str
    succeeded: int = 0
    failed: int = 0
    dead: int = 0
    retried: int = 0
    cancelled: int = 0
    released: int = 0
    lost: int = 0
    running: int = 0
    duration: Histogram = field(default_factory=Histogram)
    latency: Histogram = field(default_factory=Histogram)


@dataclass(eq=False)
class Metrics:
    """All of a worker's counts."""

    tasks: dict[tuple[str, str], TaskMetrics] = field(default_factory=dict)
    claimed: int = 0
    exchanges: int = 0
    lease_losses: int = 0
    stale_settlements: int = 0
    redis_errors: int = 0
    loop_lag: float = 0.0
    """Seconds by which the event loop's last tick was late."""
    queue_gauges: dict[str, dict[str, int]] = field(default_factory=dict)
    """queue → ready, scheduled, leased, dead; refreshed while somebody scrapes."""
    abandoned_threads: Callable[[], int] = lambda: 0

    def of(self, queue: str, task: str) -> TaskMetrics:
        """The counts of one task, made on first use."""
        key = (queue, task)
        if key not in self.tasks:
            self.tasks[key] = TaskMetrics(queue, task)
        return self.tasks[key]

    def collect(self) -> Iterator[Any]:
        """For a prometheus_client registry."""
        from headrace.worker.exposition import families

        return families(self)

    def describe(self) -> list[Any]:
        """Nothing to check for duplicates: the registry is ours alone."""
        return []
