"""What the queues tell about versions: the counts of their workers' runs, as values. Judges nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from headrace.contract.stats import QueueStats, VersionCounts
from headrace_operator.api.status import RunCounts


@dataclass(frozen=True)
class Runs:
    """What the workers of one version have done, all queues together."""

    completed: int = 0
    failed: int = 0
    crashed: int = 0
    """Workers that died with jobs in hand."""

    @property
    def finished(self) -> int:
        """Runs that came to an end of their own."""
        return self.completed + self.failed

    @property
    def failed_percent(self) -> float:
        """Failed runs out of 100 finished; 0 where none has finished."""
        return 100 * self.failed / self.finished if self.finished else 0.0

    def since(self, before: RunCounts) -> Runs:
        """What came after `before`. Counts that are smaller now were begun anew: the queue's data was lost."""
        if self.completed < before.completed or self.failed < before.failed or self.crashed < before.crashed:
            return self
        return Runs(self.completed - before.completed, self.failed - before.failed, self.crashed - before.crashed)

    def counts(self) -> RunCounts:
        """As kept in a status."""
        return RunCounts(completed=self.completed, failed=self.failed, crashed=self.crashed)


@dataclass(frozen=True)
class Work:
    """What is known of all versions' work."""

    runs: Mapping[str, Runs] = field(default_factory=dict)
    """By version."""
    holding: Mapping[str, int] = field(default_factory=dict)
    """Jobs in the hands of each version's workers; a version is in it as long as it has a session."""
    paused: bool = False
    """No queue gives out jobs."""
    present: frozenset[str] = frozenset()
    """Versions of which a worker has been heard of within its lease."""
    failures: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Jobs that versions on trial have failed, by version and class of the exception."""

    def of(self, version: str) -> Runs:
        """The runs of one version, of which there may be none yet."""
        return self.runs.get(version, Runs())


def tally(queues: Sequence[QueueStats]) -> Work:
    """The sum over a WorkerQueue's queues, all of which must be known."""
    runs: dict[str, Runs] = {}
    failures: dict[str, Counter[str]] = {}
    holding: dict[str, int] = {}
    for queue in queues:
        for version, counts in queue.versions.items():
            runs[version] = _plus(runs.get(version, Runs()), counts)
        for version, reasons in queue.failures.items():
            failures.setdefault(version, Counter()).update(reasons)
        for worker in queue.workers:
            holding[worker.version] = holding.get(worker.version, 0) + worker.leases
    paused = bool(queues) and all(queue.paused for queue in queues)
    return Work(runs, holding, paused, frozenset(_present(queues)), failures)


def _present(queues: Sequence[QueueStats]) -> Iterator[str]:
    for queue in queues:
        yield from (worker.version for worker in queue.workers if worker.expires_ms > queue.now_ms)


def _plus(runs: Runs, counts: VersionCounts) -> Runs:
    return Runs(runs.completed + counts.completed, runs.failed + counts.failed, runs.crashed + counts.crashed)
