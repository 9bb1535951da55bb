"""The sum over queues, and what counts as a rollout."""

from __future__ import annotations

import pytest

from headrace.contract.stats import QueueStats
from headrace_operator.core.history import History, Recommendation
from headrace_operator.core.observation import Observation, Totals, Unavailable, Unknown, total
from headrace_operator.seams.runtime import VersionState

DOWN = Unavailable(Unknown.TIMED_OUT, "no answer")
A = QueueStats(queue="a", now_ms=9000, ready=1, due=2, scheduled=3, leased=4, parked=5, dead=6, oldest_ready_ms=2500)
B = QueueStats(queue="b", now_ms=9000, ready=10, due=20, leased=40, oldest_ready_ms=1500, next_due_ms=9500, paused=True)


def test_the_sum_over_queues() -> None:
    assert total([A, B]) == Totals(
        ready=11,
        due=22,
        scheduled=3,
        leased=44,
        parked=5,
        dead=6,
        startable=3,
        oldest_ready=1.5,
        next_due=9.5,
        paused=("b",),
    )


@pytest.mark.parametrize("stats", [[DOWN], [A, DOWN], [DOWN, A, B]])
def test_one_unknown_queue_makes_all_unknown(stats: list[QueueStats | Unavailable]) -> None:
    assert total(stats) is DOWN


def test_no_queues_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="at least one"):
        total([])


def version(name: str, desired: int, failing: str | None = None) -> VersionState:
    return VersionState(name, desired, desired, 1, failing)


ROLLING = [
    ("nothing", (), False),
    ("only the target", (version("new", 3),), False),
    ("an old one at zero", (version("old", 0), version("new", 3)), False),
    ("an old one with workers", (version("old", 1), version("new", 3)), True),
    ("the target is not made yet", (version("old", 1),), True),
    ("the target fails", (version("old", 1), version("new", 1, "crash loop")), False),
]


@pytest.mark.parametrize(("name", "versions", "rolling"), ROLLING, ids=[row[0] for row in ROLLING])
def test_rolling(name: str, versions: tuple[VersionState, ...], rolling: bool) -> None:
    seen = Observation(Totals(), versions, "new")
    assert seen.rolling is rolling, name
    assert seen.replicas == sum(one.desired for one in versions)


@pytest.mark.parametrize(
    ("decided", "running", "assumed"), [(None, 0, 0), (None, 3, 3), (5, 3, 5), (3, 4, 4), (0, 2, 2)]
)
def test_a_new_leader_assumes_the_greater_number(decided: int | None, running: int, assumed: int) -> None:
    history = History.resume(100.0, decided=decided, running=running)
    assert history.desired == assumed
    assert history.recommendations == (Recommendation(100.0, assumed),)
    assert history.last_active == 100.0
