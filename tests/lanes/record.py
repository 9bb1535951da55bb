"""What a lane has written down, read as far as it goes, and the verdict on a lane that has ended.

A test that was collected and never came to an end has failed, and so has a lane that ended badly: whoever reads only
the sum sees it.
"""

from __future__ import annotations

import json
import signal
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from lanes.split import Lane


@dataclass
class Record:
    """Grows with `take`."""

    collected: int | None = None
    outcomes: Counter[str] = field(default_factory=Counter)
    ended: int = 0
    running: str = ""
    """The test that has begun and not ended."""
    failures: dict[str, str] = field(default_factory=dict)
    """What failed, and the whole text."""
    skips: Counter[str] = field(default_factory=Counter)
    """Reasons."""
    seconds: Counter[str] = field(default_factory=Counter)
    """By file."""
    finished: int | None = None
    """pytest's exit code, as it saw it."""

    def take(self, lines: Iterable[str]) -> list[str]:
        """Read on; returns the ids of what failed in these lines."""
        failed = []
        for text in lines:
            line = json.loads(text)
            self.collected = line.get("collected", self.collected)
            self.finished = line.get("finished", self.finished)
            self.running = line.get("begun", self.running)
            if "outcome" not in line:
                continue
            name = line.get("ended") or line["uncollected"]
            self.outcomes[line["outcome"]] += 1
            if "ended" in line:
                self.ended += 1
                self.running = ""
                self.seconds[name.partition("::")[0]] += line["seconds"]
            if line["outcome"] == "failed":
                self.failures[name] = line["said"]
                failed.append(name)
            elif line["outcome"] == "skipped":
                self.skips[line["said"]] += 1
        return failed

    @property
    def unfinished(self) -> int:
        """Tests that were collected and haven't ended."""
        return (self.collected or 0) - self.ended


class RecordFile:
    """A record that is being written: `more` reads what is new, whole lines only."""

    def __init__(self, path: Path) -> None:
        self.record = Record()
        self._path, self._read = path, 0

    def more(self) -> list[str]:
        """See Record.take."""
        if not self._path.exists():
            return []
        with self._path.open("rb") as file:
            file.seek(self._read)
            whole = file.read().rpartition(b"\n")[0]
        if not whole:
            return []
        self._read += len(whole) + 1
        return self.record.take(whole.decode().split("\n"))


@dataclass(frozen=True)
class Verdict:
    """On one lane."""

    lane: Lane
    record: Record
    trouble: str
    """Beyond tests that failed; empty: none."""

    @property
    def passed(self) -> int:
        return self.record.outcomes["passed"]

    @property
    def skipped(self) -> int:
        return self.record.outcomes["skipped"]

    @property
    def failed(self) -> int:
        """With what never ended; a lane in trouble has at least one."""
        return max(self.record.outcomes["failed"] + self.record.unfinished, int(bool(self.trouble)))

    @property
    def sound(self) -> bool:
        return self.failed == 0


def judge(lane: Lane, record: Record, exit_code: int | None) -> Verdict:
    """`exit_code`: the process's, negative for a signal, None for a lane that never started."""
    return Verdict(lane, record, _trouble(record, exit_code))


def _trouble(record: Record, exit_code: int | None) -> str:
    at = f" in {record.running}" if record.running else ""
    left = f", {record.unfinished} of its tests never ended" if record.unfinished else ""
    if exit_code is None:
        return "never started"
    if exit_code < 0:
        return f"killed by signal {-exit_code} ({signal.strsignal(-exit_code)}){at}{left}"
    if record.finished is None:
        return f"crashed with exit code {exit_code}{at}{left}"
    if exit_code != record.finished:
        return f"ended with exit code {exit_code} after its tests{left}"
    if not record.collected and not record.failures:
        return "collected nothing"
    if left or exit_code not in {0, 1} or (exit_code == 1 and not record.failures):
        return f"ended early with exit code {exit_code}{left}"
    return ""
