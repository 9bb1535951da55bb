"""The example's ledger: what it writes of a run, and what a judge may conclude from it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from code_index.ledger import Ledger, summarise
from support.servers import RedisServer


@dataclass(frozen=True)
class Run:
    """As much of a handler's context as the ledger reads."""

    job_id: str
    attempt: int = 1
    task: str = "index_file"
    worker_id: str = "w1"


def context(job_id: str) -> Any:
    return Run(job_id)


async def handler(job_id: str) -> str:
    match job_id:
        case "fails":
            raise LookupError("no")
        case "is cancelled":
            raise asyncio.CancelledError
    return "result"


@pytest.fixture
def url() -> Iterator[str]:
    with RedisServer() as server:
        yield server.url


async def test_the_ledger_writes_every_run_down(url: str) -> None:
    ledger = Ledger(url)
    assert await ledger.record(context("works"), lambda: handler("works")) == "result"
    with pytest.raises(LookupError):
        await ledger.record(context("fails"), lambda: handler("fails"))
    with pytest.raises(asyncio.CancelledError):
        await ledger.record(context("is cancelled"), lambda: handler("is cancelled"))
    await ledger.close()

    summary = Ledger.read(url)
    assert (summary.started, summary.ended, summary.interrupted, summary.redelivered) == (3, 3, 1, 0)
    assert summary.outcomes == {"works": "ok", "fails": "failed", "is cancelled": "cancelled"}
    assert [summary.count(outcome) for outcome in ("ok", "failed", "running")] == [1, 1, 0]


@pytest.mark.parametrize(
    ("story", "interrupted", "redelivered", "last"),
    [
        pytest.param("w1+1 w1-1ok", 0, 0, "ok", id="once"),
        pytest.param("w1+1 w1-1failed w2+2 w2-2ok", 0, 0, "ok", id="retried"),
        pytest.param("w1+1 w1-1failed w1+2 w1-2failed w2+1 w2-1ok", 0, 0, "ok", id="replayed"),
        pytest.param("w1+1", 1, 0, "running", id="killed"),
        pytest.param("w1+1 w2+1 w2-1ok", 1, 1, "ok", id="killed and redelivered"),
        pytest.param("w1+1 w2+1 w2-1ok w1-1ok", 0, 1, "ok", id="two at once, both ended"),
        pytest.param("w1+1 w1+1 w1-1ok", 1, 1, "ok", id="twice in one process, one ended"),
        pytest.param("w1+1 w1-1ok w2+1 w2-1ok", 0, 1, "ok", id="again after success"),
        pytest.param("w1+1 w1-1cancelled w2+1 w2-1ok", 1, 1, "ok", id="released in mid-run"),
        pytest.param("w1-1ok", 0, 0, "ok", id="an end alone"),
    ],
)
def test_what_the_ledger_proves(story: str, interrupted: int, redelivered: int, last: str) -> None:
    entries = [
        {
            "event": "start" if step[2] == "+" else "end",
            "job": "j",
            "attempt": step[3],
            "worker": step[:2],
            "pid": "7",
            "outcome": step[4:],
        }
        for step in story.split()
    ]
    summary = summarise(entries)
    assert (summary.interrupted, summary.redelivered, summary.outcomes) == (
        interrupted,
        redelivered,
        {"j": last},
    )
    assert (summary.started, summary.ended) == (story.count("+"), story.count("-"))
