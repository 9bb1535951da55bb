"""Every test file is in one lane and in no other, and the lanes take about as long as one another."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from lanes.split import OTHERS, OWN, ROOT, UNKNOWN, divide, known_weights, suite_files, write_weights

# Says which files pytest goes into, and keeps it from importing them.
SPY = """
import pytest

class Unread(pytest.File):
    def collect(self):
        return []

def pytest_pycollect_makemodule(module_path, parent):
    print("goes into", module_path)
    return Unread.from_parent(parent, path=module_path)
"""


def test_the_lanes_have_exactly_the_files_that_pytest_collects(tmp_path: Path) -> None:
    (tmp_path / "spy.py").write_text(SPY)
    collects = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "-s", "-p", "spy", "-p", "no:cacheprovider"],
        cwd=ROOT,
        env={"PYTHONPATH": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    found = [line.removeprefix("goes into ") for line in collects.stdout.splitlines() if line.startswith("goes into")]
    assert found, collects.stdout + collects.stderr
    held = [str(ROOT / file) for lane in divide(suite_files(ROOT), known_weights()) for file in lane.files]
    assert sorted(held) == sorted(found)


def test_what_shares_a_cluster_or_a_control_plane_is_in_one_lane_and_they_start_first() -> None:
    made = divide(suite_files(ROOT), known_weights())
    assert [lane.name for lane in made] == [*OWN, *(f"others-{number}" for number in range(1, OTHERS + 1))]
    for lane in made:
        owned = OWN.get(lane.name)
        assert all(
            (owned is None and not file.startswith(tuple(OWN.values()))) or file.startswith(owned or "")
            for file in lane.files
        )


def test_every_weight_is_of_a_file_that_exists() -> None:
    assert set(known_weights()) <= set(suite_files(ROOT))


NAMES = st.lists(st.sampled_from(["e2e/", "tests/control_plane/", "tests/unit/", "tests/engine/"]), max_size=40)


@given(NAMES, st.lists(st.floats(0, 1000), min_size=40, max_size=40))
def test_each_file_is_in_one_lane_and_no_share_is_heavier_than_the_lightest_and_one_file(
    folders: list[str], seconds: list[float]
) -> None:
    files = [f"{folder}test_{number}.py" for number, folder in enumerate(folders)]
    weights = dict(zip(files[::2], seconds, strict=False))
    made = divide(files, weights)
    assert Counter(file for lane in made for file in lane.files) == Counter(files)
    assert all(lane.files for lane in made)
    others = [lane for lane in made if lane.name not in OWN]
    assert [lane.seconds for lane in others] == sorted((lane.seconds for lane in others), reverse=True)
    for lane in others:
        lightest_file = min(weights.get(file, UNKNOWN) for file in lane.files)
        lightest = others[-1].seconds if len(others) == OTHERS else 0.0
        assert lane.seconds - lightest_file <= lightest + 1e-6


def test_weights_are_remembered_of_files_that_are_still_there_and_take_longer_than_an_unknown_one(
    tmp_path: Path,
) -> None:
    table = tmp_path / "weights.json"
    table.write_text(json.dumps({"tests/gone.py": 50.0, "tests/a.py": 7.0, "tests/b.py": 9.0, "tests/c.py": 4.0}))
    write_weights({"tests/a.py": 3.14159, "tests/c.py": UNKNOWN}, ["tests/a.py", "tests/b.py", "tests/c.py"], table)
    assert known_weights(table) == {"tests/a.py": 3.1, "tests/b.py": 9.0}
