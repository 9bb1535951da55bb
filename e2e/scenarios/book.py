"""The outside ledger as scenarios read it: run by run, with times. Believes nothing that the engine counts."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import cast

from redis.asyncio import Redis

from code_index.ledger import STREAM, Summary, summarise

PAGE = 1_000


@dataclass(frozen=True)
class Run:
    """One run of a handler. Times are the ledger's clock, Unix seconds."""

    job: str
    attempt: int
    worker: str
    pid: str
    began: float
    ended: float | None = None
    outcome: str = "running"

    def at(self, moment: float) -> bool:
        """Whether it ran at `moment`."""
        return self.began <= moment and (self.ended is None or self.ended > moment)


@dataclass(frozen=True)
class Judgement:
    """What the ledger says of some jobs that must not be lost."""

    jobs: int
    lost: int
    """Jobs that no run has ended well."""
    interrupted: int
    """Runs cut short: cancelled, or without an end."""
    redelivered: int
    """Jobs that were begun twice under one attempt number."""
    failed: int
    """Runs that ended in an error."""

    @property
    def clean(self) -> bool:
        """Nothing lost, nothing cut short, nothing run twice."""
        return not (self.lost or self.interrupted or self.redelivered)


class Book:
    """Reads the ledger at `url` on from where it was; `turn` begins a new page, whose jobs are judged alone."""

    def __init__(self, url: str) -> None:
        self._redis = Redis.from_url(url, decode_responses=True, socket_timeout=10)
        self._after = "-"
        self._entries: list[dict[str, str]] = []
        self._runs: dict[tuple[str, ...], list[Run]] = {}

    async def read(self) -> list[Run]:
        """All runs of this page, the oldest first. Raises redis.RedisError."""
        while page := await self._page():
            for entry_id, fields in page:
                self._take(int(entry_id.split("-")[0]) / 1000, fields)
            self._after = f"({page[-1][0]}"
        return sorted((run for runs in self._runs.values() for run in runs), key=lambda run: run.began)

    async def running(self) -> list[Run]:
        """The runs that have not ended."""
        return [run for run in await self.read() if run.ended is None]

    async def done(self, jobs: Collection[str]) -> bool:
        """Whether each of `jobs` has ended well."""
        well = {run.job for run in await self.read() if run.outcome == "ok"}
        return well.issuperset(jobs)

    async def summary(self) -> Summary:
        """What this page comes to."""
        await self.read()
        return summarise(self._entries)

    async def judge(self, jobs: Collection[str]) -> Judgement:
        """What became of `jobs` on this page."""
        runs = await self.read()
        summary = await self.summary()
        well = {run.job for run in runs if run.outcome == "ok"}
        return Judgement(
            jobs=len(jobs),
            lost=len(set(jobs) - well),
            interrupted=summary.interrupted,
            redelivered=summary.redelivered,
            failed=sum(run.outcome == "failed" for run in runs),
        )

    def turn(self) -> None:
        """Forget what has been read."""
        self._entries.clear()
        self._runs.clear()

    async def close(self) -> None:
        """Close the connection."""
        await self._redis.aclose()

    async def _page(self) -> list[tuple[str, dict[str, str]]]:
        found = await self._redis.xrange(STREAM, self._after, "+", PAGE)
        return cast("list[tuple[str, dict[str, str]]]", found)

    def _take(self, at: float, fields: dict[str, str]) -> None:
        self._entries.append(fields)
        key = (fields["job"], fields["attempt"], fields["worker"], fields["pid"])
        runs = self._runs.setdefault(key, [])
        if fields["event"] == "start":
            runs.append(Run(fields["job"], int(fields["attempt"]), fields["worker"], fields["pid"], at))
            return
        for index, run in enumerate(runs):
            if run.ended is None:
                runs[index] = replace(run, ended=at, outcome=fields["outcome"])
                return
