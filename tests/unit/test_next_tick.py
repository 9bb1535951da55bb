"""E7: which planned tick `headrace stats` shows."""

from __future__ import annotations

import pytest

from headrace.cli.queue_commands import _next_tick
from headrace.contract.replies import decode_tick, encode_tick
from headrace.contract.stats import PlannedTick, QueueStats


def tick(due_ms: int) -> PlannedTick:
    return PlannedTick(due_ms=due_ms, schedule="cron 0 0 * * * UTC")


@pytest.mark.parametrize(
    ("ticks", "shown"),
    [
        ({}, None),
        ({"a": 90_000, "b": 60_000}, "b 1970-01-01 00:01:00Z"),
        ({"gone": 1_000, "b": 60_000}, "b 1970-01-01 00:01:00Z"),
        ({"gone": 1_000}, "gone 1970-01-01 00:00:01Z (overdue)"),
    ],
)
def test_the_earliest_that_is_to_come(ticks: dict[str, int], shown: str | None) -> None:
    stats = QueueStats(queue="q", now_ms=30_000, ticks={task: tick(due) for task, due in ticks.items()})
    assert _next_tick(stats) == shown


def test_a_planned_tick_as_redis_holds_it() -> None:
    assert decode_tick(encode_tick(tick(5)).encode()) == tick(5)
