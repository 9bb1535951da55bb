"""What is kept of all runs: results.json, and the table that a person reads."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median, quantiles

from benchmarks.catalogue import CEILING, HERE, OURS, Engine
from benchmarks.run import Sample

FILE = HERE / "results.json"


@dataclass(frozen=True)
class Run:
    """One engine at one concurrency over all repeats: an entry of results.json."""

    engine: str
    version: str
    language: str
    concurrency: int
    jobs: int
    enqueue_per_s: list[int]
    consume_per_s: list[int]
    p50_ms: float | None
    p99_ms: float | None
    rss_mb: float


@dataclass
class Tally:
    """The samples of one engine at one concurrency, as they come in."""

    engine: Engine
    version: str
    concurrency: int
    jobs: int
    samples: list[Sample] = field(default_factory=list)

    def close(self) -> Run:
        """Percentiles over the latencies of all repeats together, the median of memory."""
        latencies = [latency for sample in self.samples for latency in sample.latencies_ms]
        cuts = quantiles(latencies, n=100, method="inclusive") if len(latencies) > 1 else None
        return Run(
            engine=self.engine.name,
            version=self.version,
            language=self.engine.language,
            concurrency=self.concurrency,
            jobs=self.jobs,
            enqueue_per_s=[round(sample.enqueue_per_s) for sample in self.samples],
            consume_per_s=[round(sample.consume_per_s) for sample in self.samples],
            p50_ms=round(cuts[49], 3) if cuts else None,
            p99_ms=round(cuts[98], 3) if cuts else None,
            rss_mb=round(median(sample.rss_mb for sample in self.samples), 1),
        )


def write(machine: dict[str, object], runs: Sequence[Run], path: Path) -> None:
    """Replace the file."""
    text = json.dumps({"machine": machine, "runs": [asdict(run) for run in runs]}, indent=1)
    path.write_text(text + "\n")


def table(runs: Sequence[Run]) -> list[str]:
    """One line per run, medians; the ratio says how many times faster headrace consumed."""
    lines = [
        f"{'engine':<17}{'version':<10}{'conc.':>5}{'jobs':>11}{'enqueue/s':>11}{'consume/s':>11}"
        f"{'headrace is':>13}{'p50 ms':>9}{'p99 ms':>9}{'RSS MB':>8}"
    ]
    for run in runs:
        ours = _ours(runs, run.concurrency)
        ratio = f"{ours / median(run.consume_per_s):.2f} x" if ours else ""
        lines.append(
            f"{run.engine:<17}{run.version:<10}{run.concurrency:>5}{run.jobs:>11,}{median(run.enqueue_per_s):>11,.0f}"
            f"{median(run.consume_per_s):>11,.0f}{ratio:>13}{_ms(run.p50_ms):>9}{_ms(run.p99_ms):>9}{run.rss_mb:>8.1f}"
        )
    return lines


def verdicts(runs: Sequence[Run]) -> list[str]:
    """Headrace against its best peer and against its ceiling, per concurrency."""
    lines = []
    for concurrency in dict.fromkeys(run.concurrency for run in runs):
        ours = _ours(runs, concurrency)
        rates = {run.engine: median(run.consume_per_s) for run in runs if run.concurrency == concurrency}
        peers = {name: rate for name, rate in rates.items() if name not in (OURS, CEILING)}
        if not ours:
            continue
        if peers:
            best = max(peers, key=lambda name: peers[name])
            lines.append(f"concurrency {concurrency}: headrace / best peer ({best}) = {ours / peers[best]:.1f}")
        if CEILING in rates:
            lines.append(f"concurrency {concurrency}: headrace / ceiling = {ours / rates[CEILING]:.2f}")
    return lines


def _ours(runs: Sequence[Run], concurrency: int) -> float | None:
    found = [run for run in runs if run.engine == OURS and run.concurrency == concurrency]
    return median(found[0].consume_per_s) if found else None


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
