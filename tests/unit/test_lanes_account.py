"""What is said while lanes run: failures at once, how far each lane is once a minute."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lanes.account import EVERY, Account
from lanes.lane import LaneProcess
from lanes.record import judge
from lanes.split import Lane


@dataclass
class Scene:
    """A lane that never starts, whose record the test writes, and a clock that the test moves."""

    folder: Path
    said: list[str] = field(default_factory=list)
    now: float = 100.0

    def __post_init__(self) -> None:
        self.account = Account(self.said.append, lambda: self.now)
        self.process = LaneProcess(Lane("others-1", ("tests/a.py",), 42.0), self.folder)
        self.account.begins(self.process)
        self.said.clear()

    def look(self, *lines: dict[str, Any], after: float = 0.0) -> list[str]:
        """What is said of these lines."""
        with (self.folder / "others-1.jsonl").open("a") as file:
            file.writelines(f"{json.dumps(line)}\n" for line in lines)
        self.now += after
        self.account.look(self.process)
        said = self.said.copy()
        self.said.clear()
        return said


def ended(name: str, outcome: str) -> dict[str, Any]:
    return {"ended": name, "outcome": outcome, "seconds": 1.0, "said": "assert 1 == 2"}


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_a_failure_is_said_at_once_and_once(scene: Scene) -> None:
    assert scene.look({"collected": 3}, {"begun": "x"}) == []
    assert scene.look(ended("x", "failed")) == ["others-1: FAILED x"]
    assert scene.look(ended("y", "passed")) == []


def test_once_a_minute_a_line_says_how_far_the_lane_is(scene: Scene) -> None:
    assert scene.look(after=EVERY) == [], "it still collects"
    assert scene.look({"collected": 3}, ended("x", "failed"), {"begun": "y"}) == [
        "others-1: FAILED x",
        "others-1: 33 %, 1 failed, now y",
    ]
    assert scene.look(after=EVERY - 1) == []
    assert scene.look(ended("y", "passed"), after=1) == ["others-1: 66 %, 1 failed, now between tests"]


def test_the_end_of_a_crashed_lane_s_log_is_shown(scene: Scene) -> None:
    scene.process.log.write_text("earlier\n" * 100 + "Fatal Python error: Aborted\n")
    verdict = judge(scene.process.lane, scene.process.record, -6)
    scene.account.ends(scene.process, verdict)
    scene.account.close([verdict], scene.folder)
    text = "\n".join(scene.said)
    assert "Fatal Python error: Aborted" in text
    assert text.count("earlier") < 100
    assert scene.said[-1] == "0 passed, 1 failed"
    assert f"logs and files of what failed: {scene.folder}" in scene.said


def test_the_slowest_files_are_listed_across_lanes(scene: Scene) -> None:
    scene.look(
        {"collected": 3}, *(ended(name, "passed") for name in ("tests/a.py::x", "tests/b.py::y", "tests/b.py::z"))
    )
    scene.look(ended("tests/quick.py::x", "passed") | {"seconds": 0.0})
    scene.account.close([judge(scene.process.lane, scene.process.record, 0)] * 2, scene.folder)
    at = scene.said.index("\nslowest files:")
    listed = ["    4.0 s  tests/b.py", "    2.0 s  tests/a.py", "    0.0 s  tests/quick.py"]
    assert scene.said[at + 1 : at + 4] == listed
