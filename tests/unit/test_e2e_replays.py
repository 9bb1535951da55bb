"""The scenario of replays on a cluster: its judge takes nothing for sound that is not, its counts miss no letter."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any, cast

import pytest
from e2e.load.app import QUEUE
from e2e.scenarios.book import Book
from e2e.scenarios.letters import Count, Letters
from e2e.scenarios.replays import Replayed
from e2e.scenarios.stage import Stage
from redis.asyncio import Redis

from code_index.ledger import STREAM
from headrace.admin.queue_admin import QueueAdmin
from headrace.admin.selection import ReplaySelection
from headrace.wire.link import Link
from headrace.wire.target import parse_target
from support.seeding import Seeder
from support.servers import RedisServer

IDS = {"a", "b", "c"}
SOUND = Replayed(
    letters=10,
    blows=2,
    late=0,
    at_leader=1,
    processes=4,
    leaders=2,
    seconds=1.0,
    phase="Completed",
    moved=10,
    said=10,
    expected=10,
    unaccounted=0,
    begun_twice=0,
    lost=0,
    findings=0,
    returns=4,
    moved_by_returns=0,
    new=3,
    moved_by_new=3,
)


@pytest.mark.parametrize(
    "wrong",
    [
        {"late": 1},
        {"at_leader": 2},
        {"processes": 3},
        {"phase": "Failed"},
        {"moved": 11},
        {"said": 9},
        {"expected": 11},
        {"unaccounted": 1},
        {"begun_twice": 1},
        {"lost": 1},
        {"findings": 1},
        {"returns": 0},
        {"moved_by_returns": 1},
        {"moved_by_new": 2},
    ],
    ids=str,
)
def test_the_judge_takes_nothing_for_sound_that_is_not(wrong: dict[str, Any]) -> None:
    assert SOUND.sound
    assert not replace(SOUND, **wrong).sound


@dataclass
class Ground:
    """Letters on one server that is the queue's and the ledger's."""

    redis: Redis
    seeder: Seeder
    letters: Letters
    admin: QueueAdmin

    async def replay(self, job: str) -> None:
        await self.admin.replays.replay(ReplaySelection(ids=(job,)), request=f"of-{job}")

    async def end(self, job: str) -> None:
        """As a worker does: the ledger first."""
        assert await self.seeder.exchange(1) == [job]
        run: dict[Any, Any] = {"job": job, "task": "t", "attempt": 1, "worker": "w", "pid": 1}
        await self.redis.xadd(STREAM, {"event": "start", **run})
        await self.redis.xadd(STREAM, {"event": "end", "outcome": "ok", **run})
        await self.seeder.exchange(0, ["done", job, self.seeder.claim, 0])


@pytest.fixture
async def ground() -> AsyncIterator[Ground]:
    with RedisServer() as server:
        link, redis = Link(parse_target(server.url)), Redis.from_url(server.url, decode_responses=True)
        book = Book(server.url)
        stage = cast("Stage", _Stage(book))
        seeder = Seeder(link, QUEUE)
        await seeder.join()
        await seeder.bury(*sorted(IDS))
        yield Ground(redis, seeder, Letters(stage, redis, redis), QueueAdmin(link, QUEUE))
        await book.close()
        await redis.aclose()
        await link.close()


@dataclass
class _Stage:
    book: Book


async def test_each_letter_is_untouched_or_moved_whatever_became_of_it(ground: Ground) -> None:
    until_us = await ground.letters.mark()

    async def count() -> Count:
        return await ground.letters.count(IDS, until_us=until_us, moved_before=0)

    assert await count() == Count(3, 0, 0)
    await ground.replay("a")
    assert await count() == Count(2, 1, 0)
    await ground.end("a")
    assert await count() == Count(2, 1, 0)
    await ground.seeder.bury("d")
    await ground.replay("b")
    assert await count() == Count(1, 2, 0), "who died later is no letter of ours"
    assert await ground.letters.begun(IDS) == {"a": 1, "b": 0, "c": 0}


async def test_a_letter_that_is_lost_or_moved_twice_is_unaccounted_for(ground: Ground) -> None:
    until_us = await ground.letters.mark()
    await ground.replay("a")
    await ground.seeder.raw("HDEL", "jobs", "a")
    assert await ground.letters.count(IDS, until_us=until_us, moved_before=0) == Count(2, 1, 1), "it is nowhere"
    await ground.seeder.raw("HINCRBY", "count", "replayed", 1)
    assert await ground.letters.count(IDS, until_us=until_us, moved_before=0) == Count(2, 2, 2)
    await ground.admin.dead_letters.delete(ReplaySelection(ids=("b",)))
    assert (await ground.letters.count(IDS, until_us=until_us, moved_before=0)).unaccounted == 2
