"""The ledger as scenarios read it: runs with their times, page by page, and what becomes of jobs not to be lost."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator

import pytest
from e2e.scenarios.book import Book
from redis.asyncio import Redis

from code_index.ledger import STREAM
from support.servers import RedisServer


@pytest.fixture
def url() -> Iterator[str]:
    with RedisServer() as server:
        yield server.url


@pytest.fixture
async def book(url: str) -> AsyncIterator[Book]:
    made = Book(url)
    yield made
    await made.close()


class Writer:
    """Writes entries as a worker does."""

    def __init__(self, url: str) -> None:
        self.client = Redis.from_url(url)

    async def start(self, job: str, attempt: int = 1, worker: str = "w") -> None:
        await self._write("start", job, attempt, worker)

    async def end(self, job: str, outcome: str, attempt: int = 1, worker: str = "w") -> None:
        await self._write("end", job, attempt, worker, outcome=outcome)

    async def _write(self, event: str, job: str, attempt: int, worker: str, **more: str) -> None:
        run = {"event": event, "job": job, "task": "t", "attempt": attempt, "worker": worker, "pid": 1, **more}
        await self.client.xadd(STREAM, run)  # type: ignore[arg-type]


@pytest.fixture
async def writer(url: str) -> AsyncIterator[Writer]:
    made = Writer(url)
    yield made
    await made.client.aclose()


async def test_a_run_has_its_worker_its_times_and_its_outcome(book: Book, writer: Writer) -> None:
    before = time.time()
    await writer.start("a", worker="pod-1")
    [run] = await book.running()
    assert (run.job, run.worker, run.outcome) == ("a", "pod-1", "running")
    assert run.at(time.time() + 1)
    await writer.end("a", "ok", worker="pod-1")
    assert await book.running() == []
    [run] = await book.read()
    assert run.outcome == "ok"
    assert run.ended is not None
    assert before - 0.01 <= run.began <= run.ended <= time.time() + 0.01
    assert not run.at(time.time() + 1)


async def test_jobs_are_judged_by_what_ended_well(book: Book, writer: Writer) -> None:
    for job, outcome in (("good", "ok"), ("failed", "failed"), ("cut", "cancelled")):
        await writer.start(job)
        await writer.end(job, outcome)
    await writer.start("cut", worker="other")
    await writer.end("cut", "ok", worker="other")
    await writer.start("gone")
    judged = await book.judge({"good", "failed", "cut", "gone", "never"})
    assert (judged.jobs, judged.lost, judged.interrupted) == (5, 3, 2)
    assert (judged.redelivered, judged.failed, judged.clean) == (1, 1, False)
    assert await book.done({"good", "cut"})
    assert not await book.done({"good", "gone"})


async def test_a_new_page_knows_nothing_of_the_old_one(book: Book, writer: Writer) -> None:
    await writer.start("old")
    await writer.end("old", "failed")
    await book.read()
    book.turn()
    assert await book.read() == []
    await writer.start("new")
    await writer.end("new", "ok")
    judged = await book.judge({"new"})
    assert (judged.clean, judged.failed) == (True, 0)
