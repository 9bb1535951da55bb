"""Which runs, how long, in which order. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

FEWEST_JOBS = 2_000
MOST_JOBS = 1_000_000

C = TypeVar("C")


def jobs_for(rate: float, seconds: float) -> int:
    """Whole thousands of jobs that take about `seconds` at `rate` jobs a second, within bounds."""
    wanted = round(rate * seconds / 1000) * 1000
    return max(FEWEST_JOBS, min(MOST_JOBS, wanted))


def interleaved(cases: Sequence[C], repeats: int) -> Iterator[tuple[int, C]]:
    """Each case once per repeat, so that whatever else the machine does hits all of them alike."""
    for repeat in range(1, repeats + 1):
        for case in cases:
            yield repeat, case
