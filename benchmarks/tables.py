"""The tables that people read, as rows of text: on the terminal at the end of a run, in docs/performance.md. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final, TypeVar

from benchmarks.catalogue import OURS
from benchmarks.results import Results, Run
from benchmarks.scenarios import FULL, Section
from benchmarks.targets import verdicts

K = TypeVar("K", int, str)


@dataclass(frozen=True)
class Table:
    """A heading and rows of cells."""

    name: str
    heading: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]

    def markdown(self) -> list[str]:
        """As lines of Markdown."""
        rule = tuple("---" for _ in self.heading)
        return [f"| {' | '.join(row)} |" for row in (self.heading, rule, *self.rows)]

    def plain(self) -> list[str]:
        """As lines for a terminal, columns aligned."""
        widths = [max(len(row[place]) for row in (self.heading, *self.rows)) for place in range(len(self.heading))]

        def line(row: Sequence[str]) -> str:
            cells = [
                row[0].ljust(widths[0]),
                *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)),
            ]
            return "  ".join(cells).rstrip()

        return [line(self.heading), *map(line, self.rows)]


def all_tables(results: Results) -> list[Table]:
    """Those that the results have figures for, in the order of the document."""
    return [table for make in TABLES if (table := make(results)).rows]


def targets(results: Results) -> Table:
    """P1 to P7."""
    rows = [(v.row, v.target, v.figure, v.word) for v in verdicts(results)]
    return Table("targets", ("", "target", "figure", ""), rows)


def throughput(results: Results) -> Table:
    """No-op jobs at both concurrencies, fastest first within each."""
    rows = []
    for level in dict.fromkeys(run.concurrency for run in results.of(Section.THROUGHPUT)):
        runs = sorted(results.of(Section.THROUGHPUT, concurrency=level), key=lambda run: -run.rate)
        ours = results.find(Section.THROUGHPUT, OURS, concurrency=level)
        for run in runs:
            times = f"{ours.rate / run.rate:.1f} x" if ours else "-"
            rows.append((_name(run), str(level), f"{run.rate:,.0f}", times, *_costs(run)))
    heading = ("engine", "slots", "jobs/s", "headrace is", "worker CPU µs/job", "Redis CPU µs/job")
    return Table("throughput", heading, rows)


def beside(results: Results) -> Table:
    """What the runs at full concurrency have shown beside throughput."""
    rows = [
        (
            *(_name(run), _middle(run.enqueue_per_s, ",.0f"), _middle(run.awaited_per_s, ",.0f")),
            *(
                _number(run.p50_ms, ".2f"),
                _number(run.p99_ms, ".2f"),
                _middle(run.start_ms, ",.0f"),
                f"{run.rss_mb:.0f}",
            ),
        )
        for run in results.of(Section.THROUGHPUT, concurrency=FULL)
    ]
    heading = ("engine", "bulk enqueue/s", "awaited enqueue/s", "p50 ms", "p99 ms", "start-up ms", "RSS MB")
    return Table("beside", heading, rows)


def work(results: Results) -> Table:
    """Jobs that wait."""
    return _across(results, Section.WORK, "work", lambda run: run.job_ms, lambda ms: f"{ms} ms: jobs/s")


def durability(results: Results) -> Table:
    """With an append-only file."""
    return _across(results, Section.DURABILITY, "durability", lambda run: run.aof, lambda aof: f"AOF {aof}: jobs/s")


def backlog(results: Results) -> Table:
    """With more and more jobs waiting."""
    return _across(results, Section.BACKLOG, "backlog", lambda run: run.queued, lambda n: f"{n:,} queued: jobs/s")


def scaling(results: Results) -> Table:
    """One worker and two."""
    runs = results.of(Section.SCALING)
    rows = []
    for ms in sorted({run.job_ms for run in runs}):
        one, two = (results.find(Section.SCALING, OURS, job_ms=ms, workers=workers) for workers in (1, 2))
        if one and two:
            rows.append((f"{ms} ms", f"{one.rate:,.0f}", f"{two.rate:,.0f}", f"{two.rate / one.rate:.2f}"))
    return Table("scaling", ("jobs of", "one worker: jobs/s", "two workers: jobs/s", "times"), rows)


def depth(results: Results) -> Table:
    """Redis CPU per job of the bare script calls."""
    states = list(dict.fromkeys(cost.state for cost in results.depth))
    depths = sorted({cost.jobs for cost in results.depth})
    found = {(cost.state, cost.jobs): cost.redis_us for cost in results.depth}
    rows = [(state, *(_number(found.get((state, jobs)), ".1f") for jobs in depths)) for state in states]
    return Table("depth", ("beside", *(f"{jobs:,}" for jobs in depths)), rows)


TABLES: Final[tuple[Callable[[Results], Table], ...]] = (
    *(targets, throughput, beside, work, durability, backlog, scaling, depth),
)


def _across(
    results: Results, section: Section, table: str, key: Callable[[Run], K], title: Callable[[K], str]
) -> Table:
    """One line an engine, one column for each value of `key`."""
    runs = results.of(section)
    keys: list[K] = list(dict.fromkeys(key(run) for run in runs))
    rates: dict[tuple[str, K], float] = {(run.engine, key(run)): run.rate for run in runs}
    names: dict[str, str] = {run.engine: _name(run) for run in runs}

    def row(engine: str) -> tuple[str, ...]:
        return names[engine], *(_number(rates.get((engine, k)), ",.0f") for k in keys)

    return Table(table, ("engine", *map(title, keys)), [row(engine) for engine in names])


def _name(run: Run) -> str:
    return f"{run.engine} {run.version}"


def _costs(run: Run) -> tuple[str, str]:
    return _middle(run.worker_us, ",.1f"), _middle(run.redis_us, ",.1f")


def _middle(values: Sequence[float], form: str) -> str:
    return _number(median(values) if values else None, form)


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
