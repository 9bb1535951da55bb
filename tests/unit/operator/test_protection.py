"""Who is kept from eviction: workers in the middle of a long job, as long as it runs, and nobody on a guess."""

from __future__ import annotations

import pytest

from headrace.contract.stats import QueueStats, WorkerPresence
from headrace_operator.core.protection import Protection, protect
from headrace_operator.seams.runtime import WorkerPhase, WorkerState

AFTER = 30.0


def worker(name: str, phase: WorkerPhase = WorkerPhase.READY) -> WorkerState:
    return WorkerState(name, "v1", phase, 0.0)


def says(name: str, busy_ms: int | None, leases: int = 1) -> WorkerPresence:
    return WorkerPresence(
        sid=f"s-{name}-{busy_ms}",
        worker=name,
        version="v1",
        slots=9,
        running=leases,
        draining=False,
        protocol=1,
        started_ms=0,
        busy_ms=busy_ms,
        leases=leases,
    )


def queue(name: str, *workers: WorkerPresence) -> QueueStats:
    return QueueStats(queue=name, now_ms=0, workers=workers)


@pytest.mark.parametrize(
    ("presences", "marked"),
    [
        ([], ""),
        ([says("a", 0, leases=0)], ""),
        ([says("a", 29_999)], ""),
        ([says("a", 30_000)], "a"),
        ([says("a", 3_600_000), says("b", 5), says("c", 40_000)], "ac"),
        ([says("a", 31_000, leases=0)], ""),
        ([says("a", None)], ""),
        ([says("t", 90_000)], ""),
        ([says("stranger", 90_000)], ""),
    ],
    ids=[
        "nobody has joined",
        "idle",
        "not long enough",
        "long enough",
        "some of three",
        "its job has just ended",
        "too old to tell",
        "on its way out",
        "of another fleet",
    ],
)
def test_who_is_marked(presences: list[WorkerPresence], marked: str) -> None:
    workers = [worker("a"), worker("b", WorkerPhase.STARTING), worker("c"), worker("t", WorkerPhase.TERMINATING)]
    found = protect(workers, [queue("q", *presences)], AFTER)
    assert found is not None
    assert found.workers == frozenset(marked)


def test_a_worker_of_two_queues_is_busy_by_either() -> None:
    found = protect([worker("a")], [queue("q", says("a", 40_000, leases=0)), queue("r", says("a", 40_000))], AFTER)
    assert found == Protection(frozenset("a"), "1 worker has a job that has run for 30 s or more")


def test_unknown_numbers_change_no_mark() -> None:
    assert protect([worker("a")], [], AFTER) is None
