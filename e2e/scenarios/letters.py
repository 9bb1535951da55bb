"""Dead letters of known ids, counted past the engine: in Redis' own structures, in one step, and by the ledger."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, cast

from e2e.load.app import CURE, QUEUE
from e2e.scenarios.stage import Stage
from redis.asyncio import Redis

from headrace.contract.keys import key
from support.kube_client import until

DYING_SECONDS: Final = 600.0


@dataclass(frozen=True)
class Count:
    """Letters at one moment."""

    untouched: int
    moved: int
    unaccounted: int
    """Neither of both, or both; and jobs that are nowhere."""


@dataclass(frozen=True)
class Letters:
    """Those of a stage whose queue has nothing else."""

    stage: Stage
    redis: Redis
    """The queue's server."""
    beside: Redis
    """The ledger's."""

    async def bury(self, **sick: int) -> set[str]:
        """So many more that wait for each cure; their ids. Workers must be there."""
        task = self.stage.producer.queue(QUEUE).tasks["sick"]
        before = await self.dead()
        ids: set[str] = set()
        for cure, count in sick.items():
            ids |= set(await task.enqueue_many([{"cure": cure}] * count))

        async def all_dead() -> bool:
            return await self.dead() == before | ids

        await until(all_dead, seconds=DYING_SECONDS, every=0.5)
        return ids

    async def cure(self, name: str) -> None:
        """From now on jobs that wait for it succeed."""
        await self.beside.set(f"{CURE}{name}", "1")

    async def forget_cures(self) -> None:
        """As if none had ever been found."""
        if found := [name async for name in self.beside.scan_iter(f"{CURE}*")]:
            await self.beside.delete(*found)

    async def dead(self) -> set[str]:
        """Ids of those that are dead now."""
        return set(cast("list[str]", await self.redis.zrange(key(QUEUE, "dead"), 0, -1)))

    async def moved(self) -> int:
        """How many were ever replayed, as Redis has counted."""
        return int(await self.redis.hget(key(QUEUE, "count"), "replayed") or 0)

    async def mark(self) -> float:
        """The time of the latest death so far, Unix µs."""
        latest = await self.redis.zrange(key(QUEUE, "dead"), -1, -1, withscores=True)
        [(_, died)] = cast("list[tuple[str, float]]", latest)
        return died

    async def count(self, ids: set[str], *, until_us: float, moved_before: int) -> Count:
        """What there is of `ids` at this moment, none of which died later than `until_us`."""
        async with self.redis.pipeline(transaction=True) as step:
            step.zcount(key(QUEUE, "dead"), "-inf", until_us)
            step.hget(key(QUEUE, "count"), "replayed")
            step.hkeys(key(QUEUE, "jobs"))
            untouched, replayed, present = await step.execute()
        # A job's end is in the ledger before it leaves Redis.
        ended = {run.job for run in await self.stage.book.read() if run.outcome == "ok"}
        moved = int(replayed or 0) - moved_before
        return Count(untouched, moved, abs(len(ids) - untouched - moved) + len(ids - set(present) - ended))

    async def begun(self, ids: Iterable[str]) -> dict[str, int]:
        """How often each was begun on this page of the ledger."""
        runs = Counter(run.job for run in await self.stage.book.read())
        return {one: runs[one] for one in ids}
