"""A million dead letters: how long a page, a filter and a replay's dry run take, and what they cost the workers beside;
how long each listing of the command line takes (listings.py).

The letters are of five tasks and four reasons. The same queue has a worker with a backlog; it is timed alone and beside
the questions by turns, so that what else the machine does falls on both.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from headrace.admin.filter_words import Moment
from headrace.admin.queue_admin import QueueAdmin
from headrace.admin.selection import LetterFilter, ReplaySelection
from soak import listings, tally
from soak.listings import Line
from support.apps import endurance
from support.lab import Lab
from support.polling import eventually
from support.seeding import Seeder
from support.servers import RedisServer

MOST_MS = 50.0
"""What each question may take beside a busy worker, by its median."""
MOST_QUIET_MS = 10.0
"""The same while nobody else asks anything."""
LEAST_SHARE = 0.85
"""Of the worker's throughput that must be left beside the questions, by the medians of the turns."""
TASKS, REASONS = 5, ("ValueError", "TimeoutError", "KeyError", "ConnectionError")
BATCH = 500
ASKED_QUIETLY = 20
MOST_EXPORT_MB = 150.0
"""Of the process that exports, at its most."""
TURNS, TURN_SECONDS, ASKED_PER_SECOND = 5, 3.0, 4
BACKLOG = 30_000
EXPORT = """
import resource, sys
from headrace.cli.entry import main
assert main(sys.argv[1:]) == 0
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
SLACK = 8
"""Listings may take so often what they should on a machine that has other things to do."""
Question = Callable[[], Awaitable[object]]


@dataclass(frozen=True)
class Verdict:
    """Milliseconds by question, median and most, the median also before the worker came; jobs per second alone and
    beside the questions.
    """

    letters: int
    quiet_ms: dict[str, float]
    median_ms: dict[str, float]
    most_ms: dict[str, float]
    alone_per_s: int
    beside_per_s: int
    by_turns: list[tuple[int, int]]
    exported: int
    """Lines of `headrace dlq export` …"""
    export_seconds: float
    export_mb: float
    """… and the most memory it took, MB."""
    listing_ms: dict[str, float]
    """By command line: a process each, from its start to its end, before the worker came."""
    start_ms: float
    """The same of a list that is refused before it asks anybody."""

    @property
    def within(self) -> int:
        """Listings that take what they may."""
        return sum(ms < listings.MOST_MS for ms in self.listing_ms.values())

    @property
    def sound(self) -> bool:
        """What `make soak` asserts."""
        fast = all(ms < MOST_MS for ms in self.median_ms.values())
        quiet = all(ms < MOST_QUIET_MS for ms in self.quiet_ms.values())
        exported = self.exported == self.letters and self.export_mb < MOST_EXPORT_MB
        listed = all(ms < listings.MOST_MS * SLACK for ms in self.listing_ms.values())
        return fast and quiet and exported and listed and self.beside_per_s >= LEAST_SHARE * self.alone_per_s

    def summary(self) -> dict[str, Any]:
        """For the record."""
        within = f"{self.within}/{len(self.listing_ms)}"
        return {**asdict(self), "listings_within_200_ms": within, "sound": self.sound}


async def run(letters: int, *, within: float) -> Verdict:
    """Raises TimeoutError when it has not ended after `within` seconds."""
    with tempfile.TemporaryDirectory(prefix="headrace-soak-") as directory, RedisServer() as redis:
        lab = Lab(redis.url, Path(directory))
        try:
            async with asyncio.timeout(within):
                await _bury(lab, letters)
                return await _measure(lab, letters)
        finally:
            await lab.close()


async def _bury(lab: Lab, letters: int) -> None:
    seeder = Seeder(lab.link, "jobs", sid="gravedigger")
    await seeder.join(lease_ms=600_000)
    for number, first in enumerate(range(0, letters, BATCH)):
        ids = [f"dead-{i}" for i in range(first, min(first + BATCH, letters))]
        reason = REASONS[number // TASKS % len(REASONS)]
        await seeder.bury(*ids, task=f"task{number % TASKS}", reason=reason, traceback=f"Trace {number % 50}")
    await seeder.run("leave", seeder.sid)


def _questions(admin: QueueAdmin, middle_us: int) -> dict[str, Question]:
    dead, replays = admin.dead_letters, admin.replays
    task, reason = "task1", REASONS[0]
    return {
        "page": lambda: dead.page(limit=100),
        "page in the middle": lambda: dead.page(limit=100, cursor=middle_us),
        "filter by task": lambda: dead.page(LetterFilter(task=task), limit=100),
        "filter by reason": lambda: dead.page(LetterFilter(reason=reason), limit=100),
        "filter by time": lambda: dead.page(LetterFilter(since=Moment(middle_us)), limit=100),
        "filter by task and reason": lambda: dead.page(LetterFilter(task=task, reason=reason), limit=100),
        "facets": dead.facets,
        "dry run of all": lambda: replays.preview(ReplaySelection(everything=True)),
        "dry run of a task": lambda: replays.preview(ReplaySelection(task=task)),
        "dry run of the last half": lambda: replays.preview(ReplaySelection(since=Moment(middle_us))),
        "dry run of a filter": lambda: replays.preview(ReplaySelection(task=task, reason=reason)),
    }


async def _timed(question: Question) -> float:
    """Milliseconds to its answer."""
    begun = time.perf_counter()
    await question()
    return (time.perf_counter() - begun) * 1000


async def _ask(questions: dict[str, Question], times: dict[str, list[float]]) -> None:
    """Each in turn, evenly spread over time, until cancelled."""
    while True:
        for name, question in questions.items():
            times[name].append(await _timed(question))
            await asyncio.sleep(1 / ASKED_PER_SECOND)


async def _measure(lab: Lab, letters: int) -> Verdict:
    admin = lab.admin()
    (first,) = (await admin.dead_letters.page(limit=1)).letters
    (last,) = (await admin.dead_letters.page(limit=1, newest_first=True)).letters
    middle_us = (first.died_us + last.died_us) // 2
    questions = _questions(admin, middle_us)
    quiet = {name: [await _timed(ask) for _ in range(ASKED_QUIETLY)] for name, ask in questions.items()}
    refused = Line(("dlq", "list", "jobs", "--since", "never"))
    start_ms = median(listings.run(refused, os.environ, code=2) for _ in range(listings.TIMES))
    listed = listings.lines(middle_us=middle_us, reason=REASONS[0], task="task1", dead=first.id)
    listing_ms = await listings.measure(lab, list(listed))
    exported, export_seconds, export_mb = await _export(lab)
    times: dict[str, list[float]] = {name: [] for name in questions}
    ledger = lab.directory / "ledger"
    lab.use(endurance.fleet)
    await lab.start("endurance", WORKER_COUNT="100", LOG_JOBS="none")
    feeding = asyncio.create_task(_feed(ledger))
    await eventually(lambda: tally.size(ledger) > BACKLOG, within=60)
    turns: list[tuple[int, int]] = []
    for _ in range(TURNS):
        alone = await _rate(ledger)
        asking = asyncio.create_task(_ask(questions, times))
        beside = await _rate(ledger)
        asking.cancel()
        await asyncio.wait({asking})
        assert asking.cancelled(), asking.exception()
        turns.append((alone, beside))
    assert not feeding.done(), feeding.exception()
    feeding.cancel()
    return Verdict(
        letters=letters,
        quiet_ms=_medians(quiet),
        median_ms=_medians(times),
        most_ms={name: round(max(found), 2) for name, found in times.items()},
        alone_per_s=round(median(alone for alone, _ in turns)),
        beside_per_s=round(median(beside for _, beside in turns)),
        by_turns=turns,
        exported=exported,
        export_seconds=round(export_seconds, 1),
        export_mb=round(export_mb, 1),
        listing_ms=listing_ms,
        start_ms=round(start_ms, 1),
    )


async def _export(lab: Lab) -> tuple[int, float, float]:
    """Lines, seconds and MB of an export by the command line, in a process of its own."""
    out, begun = lab.directory / "letters.jsonl", time.monotonic()
    verb = ("dlq", "export", "jobs", "--redis-url", lab.url, "--out", str(out))
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", EXPORT, *verb, stdout=asyncio.subprocess.PIPE)
    told, _ = await child.communicate()
    with out.open("rb") as lines:
        count = sum(1 for _ in lines)
    return count, time.monotonic() - begun, int(told) / 1024


def _medians(times: dict[str, list[float]]) -> dict[str, float]:
    return {name: round(median(found), 2) for name, found in times.items()}


async def _feed(ledger: Path) -> None:
    """Keep a backlog, until cancelled."""
    made = 0
    while True:
        if made - tally.size(ledger) // 2 < BACKLOG:
            await endurance.work.enqueue_many([{"number": made + i} for i in range(1000)])
            made += 1000
        else:
            await asyncio.sleep(0.02)


async def _rate(ledger: Path) -> int:
    """Jobs per second that one turn sees end."""
    before, begun = tally.size(ledger), time.monotonic()
    await asyncio.sleep(TURN_SECONDS)
    return round((tally.size(ledger) - before) / 2 / (time.monotonic() - begun))
