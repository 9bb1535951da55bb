"""When a queue is beyond this operator, and which side the message tells to upgrade."""

from __future__ import annotations

import pytest

from headrace.contract.stats import QueueStats, WorkerPresence
from headrace_operator.core.observation import Unknown
from headrace_operator.core.skew import mismatch

OWN = 5


def queue(*spoken: int, protocol: int = 0, least: int = 0) -> QueueStats:
    """`spoken` by the workers that live, `protocol` the highest ever."""
    workers = tuple(
        WorkerPresence(
            sid=f"s{n}", worker=f"w{n}", version="v1", slots=1, running=0, draining=False, protocol=n, started_ms=0
        )
        for n in spoken
    )
    return QueueStats(queue="q", now_ms=0, protocol=protocol, least_protocol=least, workers=workers)


@pytest.mark.parametrize(
    "stats",
    [queue(), queue(5, protocol=5, least=4), queue(4, protocol=4), queue(4, 5, protocol=5, least=4), queue(least=5)],
    ids=["new", "the same", "one behind", "a rollout", "a floor"],
)
def test_neighbours_work_together(stats: QueueStats) -> None:
    assert mismatch(stats, own=OWN) is None


@pytest.mark.parametrize(
    ("stats", "says"),
    [
        (queue(5, 6, 4), "worker w6 speaks protocol 6, this operator understands 5 at most; upgrade the operator"),
        (queue(5, protocol=6), "a worker of protocol 6 has written there, this operator understands 5"),
        (queue(least=7), "it takes protocol 7 or newer, this operator understands 5 at most; upgrade the operator"),
        (queue(3, 5), "worker w3 speaks protocol 3, this operator works with 4 and newer; upgrade headrace in"),
    ],
    ids=["a newer worker", "a newer worker's traces", "a floor above us", "a worker too far behind"],
)
def test_who_must_be_upgraded(stats: QueueStats, says: str) -> None:
    found = mismatch(stats, own=OWN)
    assert found is not None
    assert found.reason is Unknown.PROTOCOL_MISMATCH
    assert found.message.startswith(f"queue q: {says}")
