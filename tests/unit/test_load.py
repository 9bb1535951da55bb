"""What `headrace top` makes of two looks at a queue."""

from __future__ import annotations

from typing import Any

import pytest

from headrace.cli.load import COLUMNS, load, row
from headrace.contract.stats import QueueStats, VersionCounts, WorkerPresence


def stats(now_ms: int = 10_000, **said: Any) -> QueueStats:
    return QueueStats(queue="q", now_ms=now_ms, **said)


def counts(completed: int, failed: int) -> dict[str, VersionCounts]:
    """Of two versions."""
    return {"v1": VersionCounts(completed=completed, failed=failed), "v2": VersionCounts(completed=1)}


@pytest.mark.parametrize(
    ("before", "after", "rates"),
    [
        (None, stats(enqueued=50), (None, None, None)),
        (stats(enqueued=50), stats(enqueued=60), (None, None, None)),
        (stats(8_000, enqueued=50), stats(enqueued=53), (1.5, 0, 0)),
        (stats(8_000, versions=counts(10, 5)), stats(versions=counts(110, 6)), (0, 50, 0.5)),
        (stats(8_000, enqueued=50, versions=counts(10, 5)), stats(enqueued=2), (0, 0, 0)),
    ],
    ids=["one look", "no time between", "enqueued", "ended", "the queue was made anew"],
)
def test_rates(before: QueueStats | None, after: QueueStats, rates: tuple[float | None, ...]) -> None:
    found = load(before, after)
    assert (found.enqueued_rate, found.completed_rate, found.failed_rate) == rates


def test_where_jobs_stand() -> None:
    worker = WorkerPresence(
        sid="s", worker="w", version="", slots=5, running=1, draining=False, protocol=1, started_ms=0
    )
    found = load(
        None,
        stats(ready=1, due=2, scheduled=4, leased=8, parked=16, held=32, awaiting=64, dead=128, workers=(worker,) * 2),
    )
    jobs = (found.ready, found.scheduled, found.leased, found.parked, found.awaiting, found.dead)
    assert jobs == (3, 4, 8, 48, 64, 128)
    assert (found.workers, found.slots, found.oldest_seconds) == (2, 10, None)
    assert load(None, stats(oldest_ready_ms=7_500)).oldest_seconds == 2.5
    assert load(None, stats(oldest_ready_ms=10_500)).oldest_seconds == 0


@pytest.mark.parametrize(
    ("said", "state"),
    [({}, "open"), ({"asleep": True}, "asleep"), ({"asleep": True, "paused": True}, "paused")],
)
def test_state(said: dict[str, bool], state: str) -> None:
    assert load(None, stats(**said)).state == state


def test_a_row_has_a_cell_for_each_column() -> None:
    assert len(row(load(None, stats()))) == len(COLUMNS)
