"""What a soak keeps and adds up: progress that outlives it, figures, one entry per proof in the record."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from e2e import soak
from e2e.scenarios.catalogue import SCENARIOS, figures

from support import soak_record


def test_integers_are_summed_extremes_kept_seconds_made_quantiles_and_words_counted() -> None:
    results = [
        {"lost": 0, "jobs": 10, "most_pods": 4, "fewest_ready": 2, "seconds": 1.5, "mode": "dies"},
        {"lost": 1, "jobs": 20, "most_pods": 3, "fewest_ready": 3, "seconds": 0.5, "mode": "fails"},
        {"lost": 0, "jobs": 30, "most_pods": 3, "fewest_ready": 3, "seconds": 9, "mode": "dies"},
    ]
    for number, result in enumerate(results):
        result["verdict"] = f"version {number} was rolled back"
    assert figures(results) == {
        "lost": 1,
        "jobs": 60,
        "most_pods": 4,
        "fewest_ready": 2,
        "seconds": {"p50": 1.5, "p99": 9, "max": 9},
        "mode": {"dies": 2, "fails": 1},
    }
    assert figures([]) == {}


@pytest.mark.parametrize(("count", "p99"), [(1, 0.0), (50, 49.0), (100, 99.0), (200, 198.0)])
def test_p99_leaves_one_in_a_hundred_above_it(count: int, p99: float) -> None:
    assert figures([{"seconds": float(number)} for number in range(count)])["seconds"]["p99"] == p99


def test_an_interrupted_soak_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soak, "commit", lambda: "abc")
    first = soak.Progress(tmp_path, "rollouts", seed=7)
    first.add({"jobs": 1})
    again = soak.Progress(tmp_path, "rollouts", seed=8)
    assert (again.seed, again.results) == (7, [{"jobs": 1}])
    monkeypatch.setattr(soak, "commit", lambda: "def")
    other = soak.Progress(tmp_path, "rollouts", seed=9)
    assert (other.seed, other.results) == (9, [])


def test_a_finished_soak_begins_anew(tmp_path: Path) -> None:
    first = soak.Progress(tmp_path, "rollouts", seed=7)
    first.add({"jobs": 1})
    first.finish()
    assert soak.Progress(tmp_path, "rollouts", seed=8).results == []


def test_the_record_has_one_entry_per_proof(tmp_path: Path) -> None:
    record = tmp_path / "new" / "soak.json"
    entries: list[dict[str, Any]] = [
        {"fault": "worker-killed", "runs": 1},
        {"scenario": "rollouts", "runs": 2},
        {"scenario": "rollouts", "runs": 3},
    ]
    for entry in entries:
        soak_record.merge(record, entry)
    assert json.loads(record.read_text()) == [entries[0], entries[2]]


def test_scenarios_are_named_by_their_own_names() -> None:
    assert all(name == scenario.name and scenario.count > 0 for name, scenario in SCENARIOS.items())
