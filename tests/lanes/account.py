"""What a person reads of a run: how it goes, then all that failed, what was left out, what took long, and the sum."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from lanes.lane import LaneProcess
from lanes.record import Verdict

EVERY: Final = 60.0
"""Seconds between two lines about a lane."""
SLOWEST: Final = 15


class Account:
    """`write` gets line after line; `clock` is monotonic."""

    def __init__(self, write: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._write, self._clock = write, clock
        self._began = clock()
        self._said: dict[str, float] = {}
        self._last_words: dict[str, str] = {}

    def begins(self, process: LaneProcess) -> None:
        """A line with how long it should take."""
        lane = process.lane
        self._said[lane.name] = self._clock()
        self._write(f"{lane.name}: {len(lane.files)} files, about {lane.seconds:.0f} s alone, log {process.log}")

    def look(self, process: LaneProcess) -> None:
        """What failed, at once; once a minute how far it is."""
        name, record = process.lane.name, process.record
        for failed in process.more():
            self._write(f"{name}: FAILED {failed}")
        if self._clock() - self._said[name] < EVERY or record.collected is None:
            return
        self._said[name] = self._clock()
        done = 100 * record.ended // max(record.collected, 1)
        self._write(f"{name}: {done} %, {record.outcomes['failed']} failed, now {record.running or 'between tests'}")

    def ends(self, process: LaneProcess, verdict: Verdict) -> None:
        """A line, and the log's end is kept where it says more than the tests do."""
        if verdict.trouble:
            self._last_words[verdict.lane.name] = process.last_words()
        trouble = f": {verdict.trouble}" if verdict.trouble else ""
        self._write(f"{verdict.lane.name}: ended after {sum(verdict.record.seconds.values()):.0f} s of tests{trouble}")

    def close(self, verdicts: Sequence[Verdict], home: Path) -> None:
        """Everything that failed, whole; the last line is the sum."""
        for verdict in verdicts:
            for name, said in verdict.record.failures.items():
                self._write(f"\n{f' {verdict.lane.name}: {name} ':=^100}\n{said}")
            if verdict.trouble:
                last = self._last_words.get(verdict.lane.name, "")
                self._write(f"\n{f' {verdict.lane.name}: {verdict.trouble} ':=^100}\n{last}")
        self._slowest(verdicts)
        skips: Counter[str] = sum((verdict.record.skips for verdict in verdicts), Counter())
        for reason, count in skips.most_common():
            self._write(f"SKIPPED [{count}] {reason}")
        for verdict in verdicts:
            for name in verdict.record.failures:
                self._write(f"FAILED {name}")
            if verdict.trouble:
                self._write(f"FAILED {verdict.lane.name}: {verdict.trouble}")
        if unfinished := sum(verdict.record.unfinished for verdict in verdicts):
            self._write(f"{unfinished} tests never ended, and count as failed")
        if not all(verdict.sound for verdict in verdicts):
            self._write(f"logs and files of what failed: {home}")
        self._write(f"after {self._clock() - self._began:.0f} s:")
        self._write(closing_line(verdicts))

    def _slowest(self, verdicts: Sequence[Verdict]) -> None:
        seconds: Counter[str] = Counter()
        for verdict in verdicts:
            seconds.update(verdict.record.seconds)  # a sum of Counters would forget who took no time at all
        self._write("\nslowest files:")
        for name, took in seconds.most_common(SLOWEST):
            self._write(f"{took:7.1f} s  {name}")


def closing_line(verdicts: Sequence[Verdict]) -> str:
    """The sum of all lanes, alone on its line: what reads it in CI looks for nothing else there."""
    passed, failed, skipped = (
        sum(getattr(verdict, count) for verdict in verdicts) for count in ("passed", "failed", "skipped")
    )
    return f"{passed} passed, {failed} failed{f', {skipped} skipped' if skipped else ''}"
