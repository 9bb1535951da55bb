"""What ended within a recent window, from counts that only grow: a frozen value that forgets what is older.

Counts come by version, since only some versions' runs are to be counted here. Whatever can't be told apart from a
restart counts for nothing: the first counts of a version, and counts that are smaller than before (data was lost, an
older backup restored). So a window knows too little after a restart, and never too much.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from headrace_operator.core.evidence import Runs

SLICES: Final = 20
"""Into so many parts a window is cut: a run leaves it early, by a twentieth of its length at most."""


@dataclass(frozen=True)
class Slice:
    """What ended in a part of the window that began at `time` (Unix seconds)."""

    time: float
    completed: int = 0
    failed: int = 0


@dataclass(frozen=True)
class RunWindow:
    """The recent runs of one WorkerQueue. Bounded: SLICES slices, and as many counts as there are versions."""

    began: float
    """Unix time since when nothing was missed."""
    counts: Mapping[str, Runs] = field(default_factory=dict)
    """All that versions had done at the last look."""
    slices: tuple[Slice, ...] = ()
    """Oldest first."""

    def after(
        self, counts: Mapping[str, Runs], now: float, seconds: float, left_out: Collection[str] = ()
    ) -> RunWindow:
        """The window of `seconds` at `now`, when versions had done `counts`; nothing is counted of those `left_out`."""
        known = self.counts.keys() & counts.keys() - set(left_out)
        ended = [_ended(self.counts[name], counts[name]) for name in known]
        completed, failed = sum(one.completed for one in ended), sum(one.failed for one in ended)
        # A clock that was put back must not keep runs for longer.
        kept = tuple(one for one in self.slices if now - seconds < one.time <= now)
        if completed or failed:
            kept = _added(kept, completed, failed, now, seconds / SLICES)
        return replace(self, began=min(self.began, now), counts=dict(counts), slices=kept)

    @property
    def runs(self) -> Runs:
        """What ended within it."""
        return Runs(sum(one.completed for one in self.slices), sum(one.failed for one in self.slices))

    def is_whole(self, now: float, seconds: float) -> bool:
        """Whether nothing was missed of the last `seconds`."""
        return now - self.began >= seconds


def _ended(before: Runs, now: Runs) -> Runs:
    if now.completed < before.completed or now.failed < before.failed:
        return Runs()
    return Runs(now.completed - before.completed, now.failed - before.failed)


def _added(slices: tuple[Slice, ...], completed: int, failed: int, now: float, length: float) -> tuple[Slice, ...]:
    if slices and now - slices[-1].time < length:
        last = slices[-1]
        return (*slices[:-1], Slice(last.time, last.completed + completed, last.failed + failed))
    return (*slices, Slice(now, completed, failed))
