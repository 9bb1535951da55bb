"""The live copy stays true through lists, watches, outages, and our own writes ahead of the watch."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, cast

import pytest

from headrace_operator.cluster.api import Api
from headrace_operator.cluster.errors import ApiExpiredError, ApiUnavailableError
from headrace_operator.cluster.reflector import Reflector, Watched

Json = dict[str, Any]


def thing(name: str, version: int, *, team: str = "a", uid: str = "") -> Json:
    metadata = {"name": name, "namespace": "n", "uid": uid or f"uid-{name}", "resourceVersion": str(version)}
    return {"metadata": metadata, "team": team}


class ScriptedApi:
    """Answers lists with `there`, in pages of two, and watches with what is put into `events`."""

    def __init__(self) -> None:
        self.there: list[Json] = []
        self.version = 100
        self.events: asyncio.Queue[Json | Exception] = asyncio.Queue()
        self.lists = 0

    async def get(self, _path: str, query: Mapping[str, str]) -> Json:
        begin = int(query.get("continue", 0))
        self.lists += begin == 0
        following = {"continue": str(begin + 2)} if begin + 2 < len(self.there) else {}
        metadata = {"resourceVersion": str(self.version), **following}
        return {"items": self.there[begin : begin + 2] or None, "metadata": metadata}

    @asynccontextmanager
    async def stream(self, _path: str, _query: Mapping[str, str]) -> AsyncIterator[AsyncIterator[Json]]:
        yield self._events()

    async def _events(self) -> AsyncIterator[Json]:
        while True:
            event = await self.events.get()
            if isinstance(event, Exception):
                raise event
            yield event

    def tell(self, kind: str, item: Json) -> None:
        self.events.put_nowait({"type": kind, "object": item})


class Scene:
    def __init__(self) -> None:
        self.api = ScriptedApi()
        self.changed: list[str] = []
        self.pulse = asyncio.Event()
        watched = Watched("/things", "l", trim=lambda item: item, group=lambda item: item["team"])
        self.copy = Reflector(cast("Api", self.api), watched, self.hear)

    def hear(self, item: Json) -> None:
        self.changed.append(item["metadata"]["name"])
        self.pulse.set()

    def names(self, team: str = "a") -> list[str]:
        return sorted(item["metadata"]["name"] for item in self.copy.group(team))

    async def becomes(self, *names: str, team: str = "a") -> None:
        async with asyncio.timeout(5):
            while self.names(team) != sorted(names):
                self.pulse.clear()
                await self.pulse.wait()


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    made = Scene()
    made.api.there = [thing("one", 1), thing("two", 2), thing("three", 3, team="b")]
    running = asyncio.create_task(made.copy.run())
    await asyncio.wait_for(made.copy.synced.wait(), 5)
    yield made
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


async def test_it_lists_all_pages_and_follows_the_watch(scene: Scene) -> None:
    await scene.becomes("one", "two")
    await scene.becomes("three", team="b")
    scene.api.tell("ADDED", thing("four", 101))
    scene.api.tell("DELETED", thing("one", 102))
    await scene.becomes("two", "four")
    scene.api.tell("MODIFIED", thing("three", 103))
    await scene.becomes("two", "three", "four")
    await scene.becomes(team="b")


async def test_what_went_while_the_watch_was_expired_goes_with_the_next_list(scene: Scene) -> None:
    scene.api.there = [thing("two", 2), thing("five", 150)]
    scene.api.version = 200
    scene.changed.clear()
    scene.api.events.put_nowait(ApiExpiredError("too old"))
    await scene.becomes("two", "five")
    assert sorted(scene.changed) == ["five", "one", "three"]


async def test_an_outage_is_outlived(scene: Scene) -> None:
    scene.api.there.append(thing("six", 160))
    scene.api.events.put_nowait(ApiUnavailableError("gone fishing"))
    await scene.becomes("one", "two", "six")
    assert scene.api.lists == 2


async def test_a_write_of_ours_is_not_undone_by_older_news(scene: Scene) -> None:
    scene.copy.note(thing("one", 120) | {"replicas": 5})
    scene.api.tell("MODIFIED", thing("one", 110) | {"replicas": 1})
    scene.api.tell("ADDED", thing("last", 130))
    await scene.becomes("one", "two", "last")
    one = scene.copy.get("n", "one")
    assert one is not None
    assert one["replicas"] == 5


async def test_what_we_deleted_stays_away_although_the_watch_still_tells_of_it(scene: Scene) -> None:
    scene.copy.forget(thing("one", 1))
    scene.api.tell("MODIFIED", thing("one", 110))
    scene.api.tell("ADDED", thing("last", 111))
    await scene.becomes("two", "last")
    scene.api.tell("DELETED", thing("one", 112))
    scene.api.tell("ADDED", thing("one", 113, uid="another"))
    await scene.becomes("one", "two", "last")
