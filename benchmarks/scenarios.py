"""What is measured: the sections of a run, the scenarios of each, how many jobs they have, in which order. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeVar

from benchmarks.catalogue import OURS, Engine

FEWEST_JOBS: Final = 200
MOST_JOBS: Final = 1_000_000
DEPTHS: Final = (1_000, 10_000, 100_000, 1_000_000)
SHALLOW: Final = 10_000
JOB_MS: Final = (1, 10)
"""0 is the throughput section's."""
FULL: Final = 100
"""The concurrency of all sections but the first, which has two."""
LEVELS: Final = (FULL, 10)

C = TypeVar("C")


class Section(StrEnum):
    """A question that a run answers; its scenarios differ in one thing."""

    THROUGHPUT = "throughput"
    """How many no-op jobs a second, at two concurrencies; enqueue rates, latency, memory and start-up beside it."""
    WORK = "work"
    """Jobs that wait 1 and 10 ms."""
    DURABILITY = "durability"
    """Append-only file, synced every second and always."""
    BACKLOG = "backlog"
    """From a thousand to a million jobs queued."""
    SCALING = "scaling"
    """One and two workers on one queue."""


class Aof(StrEnum):
    """The server's persistence."""

    OFF = "off"
    EVERYSEC = "everysec"
    ALWAYS = "always"


@dataclass(frozen=True)
class Scenario:
    """One way to run an engine."""

    section: Section
    concurrency: int = FULL
    job_ms: int = 0
    aof: Aof = Aof.OFF
    queued: int | None = None
    """Jobs in the queue when the worker starts; None: those that it runs."""
    workers: int = 1

    def repeats(self, asked: int) -> int:
        """The headline has them all, other sections one less; a deep queue takes too long to fill for more than one."""
        if self.queued is not None and self.queued > SHALLOW:
            return 1
        return asked if self.section is Section.THROUGHPUT else max(1, asked - 1)

    @property
    def title(self) -> str:
        """For lines of progress."""
        parts = [self.section.value, f"{self.concurrency} slots"]
        parts += [f"{self.job_ms} ms"] if self.job_ms else []
        parts += [f"AOF {self.aof}"] if self.aof is not Aof.OFF else []
        parts += [f"{self.queued:,} queued"] if self.queued else []
        parts += [f"{self.workers} workers"] if self.workers > 1 else []
        return ", ".join(parts)


def scenarios(section: Section, engine: Engine, deepest: int) -> list[Scenario]:
    """What is asked of an engine in a section; the ceiling runs no handlers, so of it less. `deepest`: jobs queued."""
    match section:
        case Section.THROUGHPUT:
            return [Scenario(section, concurrency=level) for level in LEVELS]
        case Section.WORK:
            return [Scenario(section, job_ms=ms) for ms in JOB_MS] if engine.has_worker else []
        case Section.DURABILITY:
            return [Scenario(section, aof=aof) for aof in (Aof.EVERYSEC, Aof.ALWAYS)]
        case Section.BACKLOG:
            return [Scenario(section, queued=depth) for depth in DEPTHS if engine.has_worker and depth <= deepest]
        case Section.SCALING:
            pairs = [(ms, workers) for ms in (0, *JOB_MS) for workers in (1, 2)] if engine.name == OURS else []
            return [Scenario(section, job_ms=ms, workers=workers) for ms, workers in pairs]


def rate_bound(rate: float, engine: Engine, scenario: Scenario) -> float:
    """Jobs a second that one worker can run at most, knowing its `rate` at no-op jobs."""
    if scenario.job_ms == 0:
        return rate
    return min(rate, engine.slots(scenario.concurrency) * 1000 / scenario.job_ms)


def jobs_for(rate: float, seconds: float) -> int:
    """Whole hundreds of jobs that take about `seconds` at `rate` jobs a second, within bounds."""
    wanted = round(rate * seconds / 100) * 100
    return max(FEWEST_JOBS, min(MOST_JOBS, wanted))


@dataclass(frozen=True)
class Load:
    """How many jobs a run has: `queued` are enqueued, the clock stops when each worker has run `measured`."""

    queued: int
    measured: int


def load_for(engine: Engine, scenario: Scenario, rates: Mapping[int, float], seconds: float) -> Load:
    """`rates`: no-op jobs a second that the engine's trials have shown, by concurrency.

    Two workers never share the queue evenly: each measures its own jobs while the other still runs, so there are more
    queued than both measure. Our own deepest queue is run to its end, to see the worker's memory over a million jobs.
    """
    measured = jobs_for(rate_bound(rates[scenario.concurrency], engine, scenario), seconds)
    if scenario.section is Section.SCALING:
        return Load(2 * measured * scenario.workers, measured)
    if scenario.queued is None:
        return Load(measured, measured)
    whole = engine.name == OURS
    return Load(scenario.queued, scenario.queued if whole else min(scenario.queued, measured))


def interleaved(cases: Sequence[C], repeats: int) -> Iterator[tuple[int, C]]:
    """Each case once per repeat, so that whatever else the machine does hits all of them alike."""
    for repeat in range(1, repeats + 1):
        for case in cases:
            yield repeat, case
