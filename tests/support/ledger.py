"""An outside ledger of handler runs: append-only lines in a file, one write each, so that any number of processes
may share it and a killed one leaves whole lines. The judge counts from it alone, never from the engine's counters.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import msgspec

from support.growing_file import whole_lines

Event = Literal["start", "end", "failed"]


class Line(msgspec.Struct, frozen=True):
    """One line, JSON."""

    event: Event
    job: str
    attempt: int
    pid: int
    worker: str


class Ledger:
    """For writing; open one per process."""

    def __init__(self, path: Path, worker: str = "") -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        self._worker = worker

    def write(self, event: Event, job: str, attempt: int = 0) -> None:
        """One line in one write: with O_APPEND it can't mix with another process's."""
        line = msgspec.json.encode(Line(event, job, attempt, os.getpid(), self._worker)) + b"\n"
        assert os.write(self._fd, line) == len(line), "the disk is full"

    @contextmanager
    def run(self, job: str, attempt: int = 0) -> Iterator[None]:
        """Around a handler's work: `start`, then `end`, or `failed` when it raised."""
        self.write("start", job, attempt)
        try:
            yield
        except BaseException:
            self.write("failed", job, attempt)
            raise
        self.write("end", job, attempt)

    def close(self) -> None:
        os.close(self._fd)


@dataclass
class JobRecord:
    """What the ledger says of one job."""

    runs: int = 0
    completed: int = 0
    failed: int = 0
    workers: set[tuple[str, int]] = field(default_factory=set)

    @property
    def interrupted(self) -> int:
        """Runs that neither ended nor failed: their process died, or they still run."""
        return self.runs - self.completed - self.failed

    @property
    def redelivered(self) -> int:
        """Runs beyond those that the job's own failures called for."""
        return max(0, self.runs - self.failed - 1)


@dataclass(frozen=True)
class Verdict:
    """Sums over all jobs that were expected or seen."""

    jobs: Mapping[str, JobRecord]
    lost: tuple[str, ...]
    """Expected, and never completed."""
    unexpected: tuple[str, ...]
    """Seen, and never expected."""

    @property
    def runs(self) -> int:
        return sum(record.runs for record in self.jobs.values())

    @property
    def completed(self) -> int:
        """Jobs completed at least once."""
        return sum(record.completed > 0 for record in self.jobs.values())

    @property
    def completed_twice(self) -> tuple[str, ...]:
        return tuple(job for job, record in self.jobs.items() if record.completed > 1)

    @property
    def interrupted(self) -> int:
        return sum(record.interrupted for record in self.jobs.values())

    @property
    def redelivered(self) -> int:
        return sum(record.redelivered for record in self.jobs.values())


def read_ledger(path: Path) -> Iterator[Line]:
    """Its lines in order. Raises msgspec.DecodeError for a broken line."""
    decoder = msgspec.json.Decoder(Line)
    return map(decoder.decode, whole_lines(path))


def judge(lines: Iterable[Line], expected: Iterable[str]) -> Verdict:
    """`expected`: the jobs that were enqueued and must have completed."""
    jobs: dict[str, JobRecord] = {job: JobRecord() for job in expected}
    wanted = set(jobs)
    for line in lines:
        record = jobs.setdefault(line.job, JobRecord())
        match line.event:
            case "start":
                record.runs += 1
                record.workers.add((line.worker, line.pid))
            case "end":
                record.completed += 1
            case "failed":
                record.failed += 1
    lost = tuple(sorted(job for job in wanted if not jobs[job].completed))
    return Verdict(jobs, lost, tuple(sorted(set(jobs) - wanted)))
