"""What is kept of all runs: the entries of results.json, how they come about, how they are read again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from benchmarks.catalogue import HERE
from benchmarks.run import Case, Sample
from benchmarks.scenarios import Load

FILE = HERE / "results.json"


@dataclass(frozen=True)
class Run:
    """One engine in one scenario over all repeats; lists have one value a repeat. Rates are jobs a second."""

    section: str
    engine: str
    version: str
    language: str
    concurrency: int
    job_ms: int
    aof: str
    workers: int
    queued: int
    jobs: int
    """That each worker ran while it was measured."""
    enqueue_per_s: list[int]
    awaited_per_s: list[int]
    """Empty where it was not measured."""
    consume_per_s: list[int]
    start_ms: list[float]
    worker_us: list[float]
    redis_us: list[float]
    """CPU per job, of the worker and of the server."""
    p50_ms: float | None
    p99_ms: float | None
    rss_warm_mb: float
    """After a tenth of the jobs."""
    rss_mb: float
    """After the last."""

    @property
    def rate(self) -> float:
        """Consumed jobs a second: the median of the repeats."""
        return median(self.consume_per_s)


@dataclass(frozen=True)
class DepthCost:
    """What a job costs the server while so many others are in a state."""

    state: str
    jobs: int
    redis_us: float


@dataclass(frozen=True)
class Missing:
    """An engine, or a case of one, that could not be measured on this machine, and why."""

    engine: str
    why: str


@dataclass(frozen=True)
class Results:
    """results.json."""

    machine: dict[str, Any]
    runs: list[Run]
    depth: list[DepthCost]
    missing: list[Missing]

    def find(self, section: str, engine: str, **wanted: object) -> Run | None:
        """The run of an engine in a section that has the `wanted` values; None if it was not measured."""
        return next((run for run in self.of(section, **wanted) if run.engine == engine), None)

    def of(self, section: str, **wanted: object) -> list[Run]:
        """All runs of a section that have the `wanted` values."""
        in_section = [run for run in self.runs if run.section == section]
        return [run for run in in_section if all(getattr(run, name) == value for name, value in wanted.items())]


@dataclass
class Tally:
    """The samples of one case, as they come in."""

    case: Case
    load: Load
    samples: list[Sample] = field(default_factory=list)
    broken: bool = False
    """One of its runs has failed."""

    def close(self) -> Run:
        """Percentiles over the latencies of all repeats together, the median of memory."""
        samples, scenario = self.samples, self.case.scenario
        latencies = [latency for sample in samples for latency in sample.latencies_ms]
        cuts = quantiles(latencies, n=100, method="inclusive") if len(latencies) > 1 else None
        return Run(
            section=scenario.section.value,
            engine=self.case.engine.name,
            version=self.case.ready.version,
            language=self.case.engine.language.value,
            concurrency=scenario.concurrency,
            job_ms=scenario.job_ms,
            aof=scenario.aof.value,
            workers=scenario.workers,
            queued=self.load.queued,
            jobs=self.load.measured,
            enqueue_per_s=[round(sample.enqueue_per_s) for sample in samples],
            awaited_per_s=[round(sample.awaited_per_s) for sample in samples if sample.awaited_per_s is not None],
            consume_per_s=[round(sample.consume_per_s) for sample in samples],
            start_ms=[round(sample.start_ms, 1) for sample in samples],
            worker_us=[round(sample.worker_us, 2) for sample in samples],
            redis_us=[round(sample.redis_us, 2) for sample in samples],
            p50_ms=round(cuts[49], 3) if cuts else None,
            p99_ms=round(cuts[98], 3) if cuts else None,
            rss_warm_mb=round(median(sample.rss_warm_mb for sample in samples), 1),
            rss_mb=round(median(sample.rss_mb for sample in samples), 1),
        )


def write(results: Results, path: Path) -> None:
    """Replace the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(asdict(results), indent=1) + "\n")


def read(path: Path) -> Results:
    """What `write` has written."""
    found = json.loads(path.read_text())
    return Results(
        machine=found["machine"],
        runs=[Run(**run) for run in found["runs"]],
        depth=[DepthCost(**cost) for cost in found["depth"]],
        missing=[Missing(**missing) for missing in found["missing"]],
    )


def best(runs: Sequence[Run]) -> Run | None:
    """The run with the highest rate."""
    return max(runs, key=lambda run: run.rate, default=None)
