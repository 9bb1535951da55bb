"""What really ran: handler runs write their start and end to a Redis stream, for a judge outside the engine.

It trusts nothing that the engine counts. It has a database of its own (LEDGER_URL), and a run that can't be
written down fails. Entries: event (start, end), job, task, attempt, worker, pid, and for an end its outcome
(ok, failed, cancelled).
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, cast

import redis
import redis.asyncio
from redis.typing import EncodableT, FieldT

if TYPE_CHECKING:  # a judge reads the ledger without the engine
    from headrace import Context

STREAM = "code-index:ledger"
PAGE = 1_000

Fields = dict[FieldT, EncodableT]
Entry = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Summary:
    """What the ledger proves. `outcomes` is each job's last word: ok, failed, cancelled, or running."""

    started: int
    ended: int
    interrupted: int
    """Runs that were cut short: without an end in the process that started them, or cancelled."""
    redelivered: int
    """Jobs that were started twice in a row with the same attempt number. A replay is told apart by that
    number, which begins again at the first: it takes a task with at least one retry."""
    outcomes: Mapping[str, str]

    def count(self, outcome: str) -> int:
        """Jobs with this outcome."""
        return sum(1 for each in self.outcomes.values() if each == outcome)


class Ledger:
    """Writes runs down: `record` is a middleware for a fleet, `close` a hook for its workers' shutdown."""

    def __init__(self, url: str) -> None:
        self._client = redis.asyncio.Redis.from_url(url, socket_timeout=10, socket_connect_timeout=5)

    async def record(self, ctx: Context, call_next: Callable[[], Awaitable[object]]) -> object:
        """Run a handler between its two entries."""
        run: Fields = {
            "job": ctx.job_id,
            "task": ctx.task,
            "attempt": ctx.attempt,
            "worker": ctx.worker_id,
            "pid": os.getpid(),
        }
        await self._write("start", run)
        outcome = "failed"
        try:
            result = await call_next()
            outcome = "ok"
        except asyncio.CancelledError:
            outcome = "cancelled"
            raise
        finally:
            await self._write("end", {**run, "outcome": outcome})
        return result

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _write(self, event: str, run: Fields) -> None:
        await self._client.xadd(STREAM, {"event": event, **run})

    @classmethod
    def from_environment(cls) -> Self | None:
        """The ledger at LEDGER_URL; none when that is unset."""
        url = os.environ.get("LEDGER_URL")
        return cls(url) if url else None

    @staticmethod
    def read(url: str) -> Summary:
        """Read the whole ledger at `url`. Raises redis.RedisError."""
        with redis.Redis.from_url(url, decode_responses=True, socket_timeout=10) as client:
            return summarise(entries(client))


def entries(client: redis.Redis) -> Iterator[Entry]:
    """All entries, oldest first, a page at a time."""
    after = "-"
    while page := cast("list[tuple[str, dict[str, str]]]", client.xrange(STREAM, after, "+", PAGE)):
        yield from (fields for _, fields in page)
        after = f"({page[-1][0]}"


def summarise(ledger: Iterable[Entry]) -> Summary:
    """Pair each start with an end of the same job, attempt and process; takes the entries oldest first."""
    open_runs: Counter[tuple[str, ...]] = Counter()
    last_attempt: dict[str, str] = {}
    redelivered: set[str] = set()
    outcomes: dict[str, str] = {}
    started = ended = cancelled = 0
    for entry in ledger:
        job, attempt = entry["job"], entry["attempt"]
        run = (job, attempt, entry["worker"], entry["pid"])
        if entry["event"] == "start":
            started += 1
            open_runs[run] += 1
            if last_attempt.get(job) == attempt:
                redelivered.add(job)
            last_attempt[job] = attempt
            outcomes[job] = "running"
        else:
            ended += 1
            open_runs[run] -= 1
            cancelled += entry["outcome"] == "cancelled"
            outcomes[job] = entry["outcome"]
    return Summary(started, ended, (+open_runs).total() + cancelled, len(redelivered), outcomes)
