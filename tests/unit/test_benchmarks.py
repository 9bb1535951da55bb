"""How the benchmark plans its runs, reads its samples and judges its figures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from benchmarks import results, targets
from benchmarks.catalogue import CEILING, ENGINES, OURS, Engine, Language, engine_named
from benchmarks.results import DepthCost, Missing, Results, Run, Tally
from benchmarks.run import Case, Sample
from benchmarks.scenarios import (
    FEWEST_JOBS,
    MOST_JOBS,
    Aof,
    Load,
    Scenario,
    Section,
    interleaved,
    jobs_for,
    load_for,
    scenarios,
)
from benchmarks.tables import all_tables
from benchmarks.toolchains import Ready

LOCKS = {
    Language.PYTHON: ("requirements.txt", "--hash=sha256:"),
    Language.NODE: ("package-lock.json", '"integrity": "sha512-'),
    Language.GO: ("go.sum", " h1:"),
}


@pytest.mark.parametrize(
    ("rate", "seconds", "jobs"),
    [(2_600, 4, 10_400), (10, 4, FEWEST_JOBS), (900_000, 4, MOST_JOBS), (75_300, 4, 301_200)],
)
def test_runs_last_about_as_long_as_asked(rate: float, seconds: float, jobs: int) -> None:
    assert jobs_for(rate, seconds) == jobs


def test_repeats_are_interleaved() -> None:
    assert list(interleaved("ab", 2)) == [(1, "a"), (1, "b"), (2, "a"), (2, "b")]


@pytest.mark.parametrize(
    ("scenario", "asked", "repeats"),
    [
        (Scenario(Section.THROUGHPUT), 3, 3),
        (Scenario(Section.WORK, job_ms=1), 3, 2),
        (Scenario(Section.WORK, job_ms=1), 1, 1),
        (Scenario(Section.BACKLOG, queued=10_000), 5, 4),
        (Scenario(Section.BACKLOG, queued=100_000), 5, 1),
    ],
)
def test_what_takes_long_is_repeated_less(scenario: Scenario, asked: int, repeats: int) -> None:
    assert scenario.repeats(asked) == repeats


def engine(name: str) -> Engine:
    found = engine_named(name)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("name", "scenario", "load"),
    [
        ("saq", Scenario(Section.THROUGHPUT), Load(4_000, 4_000)),
        ("saq", Scenario(Section.WORK, job_ms=1), Load(4_000, 4_000)),
        ("headrace", Scenario(Section.WORK, job_ms=10), Load(20_000, 20_000)),
        ("rq", Scenario(Section.WORK, job_ms=10), Load(200, 200)),
        ("saq", Scenario(Section.BACKLOG, queued=100_000), Load(100_000, 4_000)),
        ("saq", Scenario(Section.BACKLOG, queued=1_000), Load(1_000, 1_000)),
        ("headrace", Scenario(Section.BACKLOG, queued=1_000_000), Load(1_000_000, 1_000_000)),
        ("headrace", Scenario(Section.SCALING, job_ms=10, workers=2), Load(80_000, 20_000)),
    ],
)
def test_a_run_has_as_many_jobs_as_its_question_needs(name: str, scenario: Scenario, load: Load) -> None:
    rate = {"headrace": 100_000.0, "saq": 2_000.0, "rq": 800.0}[name]
    assert load_for(engine(name), scenario, {100: rate}, 2.0) == load


def test_the_ceiling_runs_no_handlers_and_only_we_are_asked_to_scale() -> None:
    assert {section for section in Section if scenarios(section, engine(CEILING), 10_000)} == {
        Section.THROUGHPUT,
        Section.DURABILITY,
    }
    assert [section for section in Section if not scenarios(section, engine("arq"), 10_000)] == [Section.SCALING]
    assert max(scenario.queued or 0 for scenario in scenarios(Section.BACKLOG, engine("arq"), 10_000)) == 10_000


def tally(name: str, *rates: float, scenario: Scenario | None = None, latencies: tuple[float, ...] = ()) -> Run:
    made = Ready(engine(name), "1.0", (), (), {})
    samples = [Sample(5_000, 2_000, rate, 150.4, 9.0, 5.0, 39.0, 40.0, latencies) for rate in rates]
    return Tally(Case(made, scenario or Scenario(Section.THROUGHPUT)), Load(9, 9), samples).close()


def test_percentiles_are_over_all_repeats_and_absent_without_latencies() -> None:
    run = tally("saq", 1_000, 2_000, latencies=(1.0, 2.0, 3.0))
    assert (run.p50_ms, run.p99_ms) == (2.0, 3.0)
    assert (run.consume_per_s, run.rate) == ([1_000, 2_000], 1_500)
    assert tally(CEILING, 1_000).p50_ms is None


def measured() -> Results:
    """All that the targets ask for, and each of them met but P2."""
    scaled = [Scenario(Section.SCALING, job_ms=10, workers=workers) for workers in (1, 2)]
    million = replace(tally(OURS, 1, scenario=Scenario(Section.BACKLOG)), queued=1_000_000, jobs=1_000_000)
    runs = [
        replace(
            tally(OURS, 90_000, 10, 100_000, 110_000, 120_000, latencies=(0.2, 0.25)),
            enqueue_per_s=[200_000],
            awaited_per_s=[20_000],
        ),
        tally(OURS, 40_000, scenario=Scenario(Section.THROUGHPUT, concurrency=10)),
        tally("saq", 2_500),
        tally("taskiq", 5_000),
        tally("bullmq-node", 25_000),
        tally("asynq", 15_000),
        tally(CEILING, 150_000),
        tally(OURS, 79_900, scenario=Scenario(Section.DURABILITY, aof=Aof.ALWAYS)),
        tally(OURS, 9_000, scenario=scaled[0]),
        tally(OURS, 18_000, scenario=scaled[1]),
        million,
    ]
    costs = [DepthCost("queued", 1_000, 8.0), DepthCost("queued", 1_000_000, 9.0), DepthCost("dead", 1_000, 12.0)]
    return Results({"cores": 2}, runs, costs, [Missing("arq", "it can't be had")])


def test_targets_quote_medians_and_the_fastest_peer_of_each_language() -> None:
    found = {(verdict.row, verdict.target): verdict for verdict in targets.verdicts(measured())}
    figures = {(row, target.partition(":")[0]): verdict.figure for (row, target), verdict in found.items()}
    assert figures[("P1", "no-op jobs/s, 100 slots")] == "100,000"
    assert figures[("P1", "times the fastest Python peer")] == "20.0 x"
    assert figures[("P1", "share of the ceiling")] == "0.67"
    assert figures[("P2", "with appendfsync always")] == "80 %"
    assert [verdict.row for verdict in found.values() if verdict.met is not True] == ["P2"]


def test_what_was_not_measured_is_neither_met_nor_missed() -> None:
    nothing = Results({}, [], [], [])
    assert {verdict.word for verdict in targets.verdicts(nothing)} == {"not measured"}
    assert {verdict.row for verdict in targets.verdicts(nothing)} == {f"P{number}" for number in range(1, 8)}


def test_the_file_gives_back_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "new" / "results.json"
    results.write(measured(), path)
    assert results.read(path) == measured()


def test_tables_have_a_cell_for_every_column() -> None:
    tables = all_tables(measured())
    assert {table.name for table in tables} >= {"targets", "throughput", "beside", "durability", "scaling", "depth"}
    for table in tables:
        assert {len(row) for row in table.rows} == {len(table.heading)}, table.name
        assert len(table.plain()) == len(table.rows) + 1


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.name)
def test_each_engine_is_locked_by_hashes_that_name_no_host(engine: Engine) -> None:
    if not engine.own_environment:
        assert (engine.directory / "app.py").is_file()
        return
    name, mark = LOCKS[engine.language]
    lock = (engine.directory / name).read_text()
    assert mark in lock
    assert "resolved" not in lock
    assert "index-url" not in lock
