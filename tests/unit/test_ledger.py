"""The outside ledger and its judge, which later proofs rely on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from support.ledger import Ledger, Line, judge, read_ledger

SUPPORT = Path(__file__).parents[1]


def lines(text: str) -> list[Line]:
    """`s` start, `e` end, `f` failed, each followed by the job's letter."""
    events = {"s": "start", "e": "end", "f": "failed"}
    words = text.split()
    return [
        msgspec.convert({"event": events[w[0]], "job": w[1], "attempt": 0, "pid": 1, "worker": ""}, Line) for w in words
    ]


@pytest.mark.parametrize(
    ("text", "completed", "interrupted", "redelivered", "lost"),
    [
        ("sa ea sb eb", 2, 0, 0, ()),
        ("sa ea", 1, 0, 0, ("b",)),
        ("sa sb eb", 1, 1, 0, ("a",)),
        ("sa sa ea sb eb", 2, 1, 1, ()),
        ("sa fa sa ea sb eb", 2, 0, 0, ()),
        ("sa fa sb eb", 1, 0, 0, ("a",)),
        ("sa ea sa ea sb eb", 2, 0, 1, ()),
        ("", 0, 0, 0, ("a", "b")),
    ],
)
def test_verdicts(text: str, completed: int, interrupted: int, redelivered: int, lost: tuple[str, ...]) -> None:
    verdict = judge(lines(text), ["a", "b"])
    said = (verdict.completed, verdict.interrupted, verdict.redelivered, verdict.lost)
    assert said == (completed, interrupted, redelivered, lost)


def test_a_job_completed_twice_and_one_never_enqueued_are_named() -> None:
    verdict = judge(lines("sa ea sa ea sz ez"), ["a"])
    assert (verdict.completed_twice, verdict.unexpected, verdict.runs) == (("a",), ("z",), 3)


def test_a_run_writes_its_start_and_its_outcome(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "l", "w1")
    with ledger.run("a", 2):
        pass
    with pytest.raises(ValueError, match="boom"), ledger.run("b"):
        raise ValueError("boom")
    ledger.close()
    assert list(read_ledger(tmp_path / "l")) == [
        Line("start", "a", 2, os.getpid(), "w1"),
        Line("end", "a", 2, os.getpid(), "w1"),
        Line("start", "b", 0, os.getpid(), "w1"),
        Line("failed", "b", 0, os.getpid(), "w1"),
    ]


def test_processes_share_one_ledger_without_mixing_lines(tmp_path: Path) -> None:
    program = (
        "import sys, pathlib; from support.ledger import Ledger\n"
        "ledger = Ledger(pathlib.Path(sys.argv[1]), sys.argv[2])\n"
        "for i in range(500):\n"
        "    with ledger.run(f'{sys.argv[2]}-{i}'): pass\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "l")]
    environment = {**os.environ, "PYTHONPATH": str(SUPPORT)}
    writers = [subprocess.Popen([*command, f"w{i}"], env=environment) for i in range(3)]
    assert [writer.wait(30) for writer in writers] == [0, 0, 0]
    verdict = judge(read_ledger(tmp_path / "l"), [f"w{w}-{i}" for w in range(3) for i in range(500)])
    assert (verdict.lost, verdict.interrupted, verdict.redelivered, verdict.completed) == ((), 0, 0, 1500)


def test_a_line_that_is_still_being_written_is_not_read_yet(tmp_path: Path) -> None:
    path = tmp_path / "l"
    Ledger(path).write("start", "a", 1)
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:20])
    assert [line.job for line in read_ledger(path)] == ["a"]
    path.write_bytes(whole[:20] + b"\n" + whole)
    with pytest.raises(msgspec.DecodeError):
        list(read_ledger(path))
