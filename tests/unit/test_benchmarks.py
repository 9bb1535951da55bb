"""How the benchmark plans its runs and reads its samples."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from benchmarks import results
from benchmarks.catalogue import ENGINES, Engine, engine_named
from benchmarks.plan import FEWEST_JOBS, MOST_JOBS, interleaved, jobs_for
from benchmarks.results import Tally
from benchmarks.run import Sample


@pytest.mark.parametrize(
    ("rate", "seconds", "jobs"),
    [(2_600, 4, 10_000), (100, 4, FEWEST_JOBS), (900_000, 4, MOST_JOBS), (75_300, 4, 301_000)],
)
def test_runs_last_about_as_long_as_asked(rate: float, seconds: float, jobs: int) -> None:
    assert jobs_for(rate, seconds) == jobs


def test_repeats_are_interleaved() -> None:
    assert list(interleaved("ab", 2)) == [(1, "a"), (1, "b"), (2, "a"), (2, "b")]


def tally(name: str, *rates: float, latencies: tuple[float, ...] = ()) -> Tally:
    engine = engine_named(name)
    assert engine is not None
    return Tally(engine, "1.0", 100, 10_000, [Sample(5_000, rate, 40, latencies) for rate in rates])


def test_percentiles_are_over_all_repeats_and_absent_without_latencies() -> None:
    run = tally("saq", 1_000, 2_000, latencies=(1.0, 2.0, 3.0)).close()
    assert (run.p50_ms, run.p99_ms) == (2.0, 3.0)
    assert run.consume_per_s == [1_000, 2_000]
    assert tally("headrace-ceiling", 1_000).close().p50_ms is None


def test_verdicts_name_the_best_peer_and_quote_medians() -> None:
    runs = [
        tally("headrace", 90_000, 10, 100_000).close(),
        tally("saq", 2_500).close(),
        tally("arq", 3_000).close(),
        tally("headrace-ceiling", 180_000).close(),
    ]
    assert results.verdicts(runs) == [
        "concurrency 100: headrace / best peer (arq) = 30.0",
        "concurrency 100: headrace / ceiling = 0.50",
    ]


def test_the_file_has_machine_and_runs(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    results.write({"cores": 2}, [tally("taskiq", 3_000).close()], path)
    written = json.loads(path.read_text())
    assert set(written) == {"machine", "runs"}
    assert list(written["runs"][0]) == [
        *("engine", "version", "language", "concurrency", "jobs"),
        *("enqueue_per_s", "consume_per_s", "p50_ms", "p99_ms", "rss_mb"),
    ]


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.name)
def test_each_engine_has_its_app_and_its_lock_names_no_host(engine: Engine) -> None:
    assert (engine.directory / "app.py").is_file()
    if engine.own_environment:
        lock = (engine.directory / "requirements.txt").read_text()
        assert "--hash=sha256:" in lock
        assert "://" not in lock
