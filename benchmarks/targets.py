"""The project's performance targets P1 to P7: what each asks for, which figure answers it, met or missed. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from benchmarks.catalogue import CEILING, OURS
from benchmarks.results import Results, Run, best
from benchmarks.scenarios import FULL, Aof, Section

FLAT: Final = 1.25
"""The most that a cost may grow from the smallest to the greatest depth and be called flat; noise included."""
FLAT_MB: Final = 5.0
"""The most that a worker may grow over a million jobs."""


@dataclass(frozen=True)
class Verdict:
    """A line of the table. `met` is None where the run did not measure it."""

    row: str
    target: str
    figure: str
    met: bool | None

    @property
    def word(self) -> str:
        """For people."""
        return {True: "met", False: "missed", None: "not measured"}[self.met]


Figure = Callable[[Results], float | None]


@dataclass(frozen=True)
class Target:
    """A figure and the bound that it is held against."""

    row: str
    text: str
    figure: Figure
    bound: float
    unit: str = ""
    decimals: int = 0
    at_most: bool = False

    def judge(self, results: Results) -> Verdict:
        """Equal counts as met."""
        found = self.figure(results)
        if found is None:
            return Verdict(self.row, self.text, "-", None)
        met = found <= self.bound if self.at_most else found >= self.bound
        return Verdict(self.row, self.text, f"{found:,.{self.decimals}f}{self.unit}", met)


def verdicts(results: Results) -> list[Verdict]:
    """Every target, in order."""
    return [target.judge(results) for target in TARGETS]


def _ours(results: Results, section: Section = Section.THROUGHPUT, **wanted: object) -> Run | None:
    return results.find(section, OURS, **({"concurrency": FULL} | wanted))


def _rate(concurrency: int) -> Figure:
    def found(results: Results) -> float | None:
        run = _ours(results, concurrency=concurrency)
        return run.rate if run else None

    return found


def _times(engines: Callable[[Run], bool]) -> Figure:
    """How many times the fastest of some engines we are, at full concurrency."""

    def found(results: Results) -> float | None:
        ours = _ours(results)
        other = best([run for run in results.of(Section.THROUGHPUT, concurrency=FULL) if engines(run)])
        return ours.rate / other.rate if ours and other else None

    return found


def _is_python_peer(run: Run) -> bool:
    return run.language == "Python" and run.engine not in {OURS, CEILING}


def _always_share(results: Results) -> float | None:
    always, off = _ours(results, Section.DURABILITY, aof=Aof.ALWAYS), _ours(results)
    return always.rate / off.rate * 100 if always and off else None


def _median_of(values: Callable[[Run], Sequence[float]]) -> Figure:
    def found(results: Results) -> float | None:
        run = _ours(results)
        return median(values(run)) if run and values(run) else None

    return found


def _value_of(value: Callable[[Run], float | None]) -> Figure:
    def found(results: Results) -> float | None:
        run = _ours(results)
        return value(run) if run else None

    return found


def _growth_over_a_million(results: Results) -> float | None:
    run = _ours(results, Section.BACKLOG, queued=1_000_000)
    return run.rss_mb - run.rss_warm_mb if run and run.jobs == 1_000_000 else None


def _worst_growth_of_cost(results: Results) -> float | None:
    """Of the three states: the dearest depth against the cheapest."""
    states = {cost.state for cost in results.depth}
    costs = [[cost.redis_us for cost in results.depth if cost.state == state] for state in states]
    return max((max(found) / min(found) for found in costs), default=None)


def _scaling(job_ms: int) -> Figure:
    def found(results: Results) -> float | None:
        one, two = (_ours(results, Section.SCALING, job_ms=job_ms, workers=workers) for workers in (1, 2))
        return two.rate / one.rate if one and two else None

    return found


TARGETS: Final = (
    Target("P1", "no-op jobs/s, 100 slots: at least 100,000", _rate(FULL), 100_000),
    Target("P1", "no-op jobs/s, 10 slots: at least 40,000", _rate(10), 40_000),
    Target("P1", "share of the ceiling: at least 0.60", _times(lambda run: run.engine == CEILING), 0.6, decimals=2),
    Target("P1", "times the fastest Python peer: at least 20", _times(_is_python_peer), 20, " x", 1),
    Target("P1", "times asynq (Go): at least 6", _times(lambda run: run.engine == "asynq"), 6, " x", 1),
    Target("P1", "times BullMQ (Node): at least 4", _times(lambda run: run.engine == "bullmq-node"), 4, " x", 1),
    Target("P2", "with appendfsync always: at least 80 % of P1", _always_share, 80, " %"),
    Target("P3", "bulk enqueue, jobs/s: at least 200,000", _median_of(lambda run: run.enqueue_per_s), 200_000),
    Target("P3", "single awaited enqueues/s: at least 20,000", _median_of(lambda run: run.awaited_per_s), 20_000),
    Target("P4", "enqueue to start, p50: under 0.3 ms", _value_of(lambda run: run.p50_ms), 0.3, " ms", 2, at_most=True),
    Target("P4", "enqueue to start, p99: under 1 ms", _value_of(lambda run: run.p99_ms), 1.0, " ms", 2, at_most=True),
    Target("P5", "exec to first job: under 200 ms", _median_of(lambda run: run.start_ms), 200, " ms", at_most=True),
    Target("P5", "idle worker's memory: at most 50 MB", _value_of(lambda run: run.rss_mb), 50, " MB", 1, at_most=True),
    Target(
        "P5",
        f"growth over a million jobs: flat (at most {FLAT_MB:g} MB)",
        _growth_over_a_million,
        bound=FLAT_MB,
        unit=" MB",
        decimals=1,
        at_most=True,
    ),
    Target(
        "P6",
        f"Redis CPU per job, 10³ to 10⁶ queued, delayed, dead: flat (at most {FLAT:g} x)",
        _worst_growth_of_cost,
        bound=FLAT,
        unit=" x",
        decimals=2,
        at_most=True,
    ),
    Target("P7", "two workers, jobs of 10 ms: at least 1.8 x one", _scaling(10), 1.8, " x", 2),
)
