"""What is read of a lane's record, the verdict on it, and the sum."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lanes.account import closing_line
from lanes.record import Record, RecordFile, judge
from lanes.split import Lane

LANE = Lane("others-1", ("tests/a.py",), 1.0)


def record(*lines: dict[str, Any]) -> Record:
    made = Record()
    made.take([json.dumps(line) for line in lines])
    return made


def begun(name: str) -> dict[str, Any]:
    return {"begun": f"tests/a.py::{name}"}


def ended(name: str, outcome: str = "passed", said: str = "") -> dict[str, Any]:
    return {"ended": f"tests/a.py::{name}", "outcome": outcome, "seconds": 0.5, "said": said}


TWO, DONE = {"collected": 2}, {"finished": 0}
PASSED = (ended("x"), ended("y"))
BROKEN = {"uncollected": "tests/b.py", "outcome": "failed", "said": "SyntaxError"}
MISSING = {"uncollected": "tests/b.py", "outcome": "skipped", "said": "no such library"}


@pytest.mark.parametrize(
    ("lines", "exit_code", "counts", "trouble"),
    [
        ((TWO, *PASSED, DONE), 0, (2, 0, 0), ""),
        ((TWO, ended("x"), ended("y", "skipped"), DONE), 0, (1, 0, 1), ""),
        ((TWO, ended("x"), ended("y", "failed"), {"finished": 1}), 1, (1, 1, 0), ""),
        ((TWO, BROKEN, *PASSED, {"finished": 1}), 1, (2, 1, 0), ""),
        (({"collected": 0}, BROKEN, {"finished": 1}), 1, (0, 1, 0), ""),
        ((TWO, MISSING, *PASSED, DONE), 0, (2, 0, 1), ""),
        (({"collected": 0}, {"finished": 5}), 5, (0, 1, 0), "collected nothing"),
        (({"collected": 0}, MISSING, {"finished": 5}), 5, (0, 1, 1), "collected nothing"),
        ((), 4, (0, 1, 0), "crashed with exit code 4"),
        ((), None, (0, 1, 0), "never started"),
        (
            (TWO, ended("x"), begun("y")),
            -11,
            (1, 1, 0),
            "killed by signal 11 (Segmentation fault) in tests/a.py::y, 1 of its tests never ended",
        ),
        ((TWO, *PASSED), -9, (2, 1, 0), "killed by signal 9 (Killed)"),
        ((TWO, *PASSED, DONE), -9, (2, 1, 0), "killed by signal 9 (Killed)"),
        (
            (TWO, begun("x")),
            0,
            (0, 2, 0),
            "crashed with exit code 0 in tests/a.py::x, 2 of its tests never ended",
        ),
        ((TWO, *PASSED, DONE), 1, (2, 1, 0), "ended with exit code 1 after its tests"),
        ((TWO, *PASSED, {"finished": 1}), 1, (2, 1, 0), "ended early with exit code 1"),
        (
            (TWO, ended("x"), {"finished": 2}),
            2,
            (1, 1, 0),
            "ended early with exit code 2, 1 of its tests never ended",
        ),
        (
            (TWO, ended("x", "failed"), {"finished": 0}),
            0,
            (0, 2, 0),
            "ended early with exit code 0, 1 of its tests never ended",
        ),
    ],
)
def test_a_lane_s_verdict(
    lines: tuple[dict[str, Any], ...], exit_code: int | None, counts: tuple[int, int, int], trouble: str
) -> None:
    verdict = judge(LANE, record(*lines), exit_code)
    assert (verdict.passed, verdict.failed, verdict.skipped) == counts
    assert verdict.trouble == trouble
    assert verdict.sound is (counts[1] == 0)


@pytest.mark.parametrize(
    ("exit_codes", "line"),
    [
        ((0, 0), "4 passed, 0 failed"),
        ((0, -9), "4 passed, 1 failed"),
        ((None, None), "4 passed, 2 failed"),
    ],
)
def test_the_closing_line_is_the_sum_of_the_lanes(exit_codes: tuple[int | None, ...], line: str) -> None:
    verdicts = [judge(LANE, record(TWO, *PASSED, DONE), exit_code) for exit_code in exit_codes]
    assert closing_line(verdicts) == line


def test_the_closing_line_counts_what_was_left_out() -> None:
    verdict = judge(LANE, record(TWO, MISSING, *PASSED, DONE), 0)
    assert closing_line([verdict, verdict]) == "4 passed, 0 failed, 2 skipped"


def test_a_record_says_what_failed_what_was_left_out_and_what_files_took() -> None:
    made = record(TWO, ended("x", "failed", "assert 1 == 2"), ended("y", "skipped", "not here"), MISSING)
    assert made.failures == {"tests/a.py::x": "assert 1 == 2"}
    assert made.skips == {"not here": 1, "no such library": 1}
    assert made.seconds == {"tests/a.py": 1.0}
    assert (made.ended, made.unfinished) == (2, 0)


def test_a_record_that_is_being_written_is_read_by_whole_lines(tmp_path: Path) -> None:
    file = RecordFile(tmp_path / "record")
    assert file.more() == []
    text = "".join(f"{json.dumps(line)}\n" for line in (TWO, begun("x"), ended("x", "failed", "ü")))
    (tmp_path / "record").write_bytes(text.encode()[:-5])
    assert file.more() == []
    assert (file.record.collected, file.record.running) == (2, "tests/a.py::x")
    (tmp_path / "record").write_text(text)
    assert file.more() == ["tests/a.py::x"]
    assert file.more() == []
    assert file.record.running == ""
