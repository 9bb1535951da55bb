"""A live copy of one kind of objects, kept by list and watch, in groups. Decides nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Final

from headrace_operator.cluster.api import Api, Json
from headrace_operator.cluster.errors import ApiError, ApiExpiredError, ApiUnavailableError

WATCH_SECONDS: Final = 280
PAGE: Final = 500
FIRST_PAUSE: Final = 0.2
LONGEST_PAUSE: Final = 5.0

Name = tuple[str, str]
"""Namespace and name."""


@dataclass(frozen=True)
class Watched:
    """Which objects, and what is kept of them."""

    path: str
    """Of the list, for example /apis/apps/v1/deployments."""
    selector: str
    """Label selector."""
    trim: Callable[[Json], Json]
    """What to keep of an object, its name, namespace, uid and resourceVersion included."""
    group: Callable[[Json], Hashable]
    """The group of a trimmed object."""


class Reflector:
    """The objects that `watched` describes. `run` keeps the copy; reads cost no request."""

    def __init__(self, api: Api, watched: Watched, on_change: Callable[[Json], None]) -> None:
        """`on_change` is called with an object, trimmed, once it is new, changed or gone."""
        self.synced = asyncio.Event()
        """Set once the first list is complete."""
        self.heard = 0.0
        """When the API server last said something, on the monotonic clock."""
        self._api, self._watched, self._on_change = api, watched, on_change
        self._items: dict[Name, Json] = {}
        self._groups: dict[Hashable, dict[Name, Json]] = {}
        self._deleted: set[str] = set()

    def group(self, group: Hashable) -> Iterable[Json]:
        """The objects of a group."""
        return self._groups.get(group, {}).values()

    def get(self, namespace: str, name: str) -> Json | None:
        """The object of that name."""
        return self._items.get((namespace, name))

    def note(self, item: Json) -> None:
        """Take over what a write of ours answered, unless something newer is known."""
        self.enter(self._watched.trim(item))

    def enter(self, item: Json) -> None:
        """The same for an object that is trimmed already."""
        self._take(item)

    def forget(self, item: Json) -> None:
        """We have deleted `item`; what the watch still tells about it before its deletion is ignored."""
        self._deleted.add(item["metadata"]["uid"])
        self._drop(item)

    async def run(self) -> None:
        """List and watch for ever, through outages of the API server."""
        pause = FIRST_PAUSE
        while True:
            try:
                version = await self._list()
                pause = FIRST_PAUSE
                while True:
                    version = await self._watch(version)
            except ApiExpiredError:
                continue
            except ApiError:
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)

    async def _list(self) -> str:
        found: list[Json] = []
        query = {"labelSelector": self._watched.selector, "limit": str(PAGE)}
        while True:
            page = await self._api.get(self._watched.path, query)
            found += [self._watched.trim(item) for item in page["items"] or ()]
            following = page["metadata"].get("continue")
            if not following:
                break
            query["continue"] = following
        self.heard = time.monotonic()
        names = {_name(item) for item in found}
        for item in [item for name, item in self._items.items() if name not in names]:
            self._drop(item)
        self._deleted.clear()
        for item in found:
            self._take(item)
        self.synced.set()
        version: str = page["metadata"]["resourceVersion"]
        return version

    async def _watch(self, version: str) -> str:
        """Follow changes from `version` until the API server ends the watch; where to go on."""
        query = {
            "labelSelector": self._watched.selector,
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(WATCH_SECONDS),
        }
        async with self._api.stream(self._watched.path, query) as events:
            async for event in events:
                self.heard = time.monotonic()
                item = event["object"]
                match event["type"]:
                    case "ADDED" | "MODIFIED":
                        self._take(self._watched.trim(item))
                    case "DELETED":
                        self._deleted.discard(item["metadata"]["uid"])
                        self._drop(self._watched.trim(item))
                    case "ERROR":
                        expired = item.get("code") == 410
                        kind = ApiExpiredError if expired else ApiUnavailableError
                        raise kind(f"watching {self._watched.path}: {item.get('message')}")
                version = item["metadata"]["resourceVersion"]
        return version

    def _take(self, item: Json) -> None:
        """An older state than the known one changes nothing: our own writes may be ahead of the watch."""
        known = self._items.get(_name(item))
        if item["metadata"]["uid"] in self._deleted or (known is not None and _version(known) >= _version(item)):
            return
        if known is not None:
            self._remove(known)
        self._items[_name(item)] = item
        self._groups.setdefault(self._watched.group(item), {})[_name(item)] = item
        self._tell(item)

    def _drop(self, item: Json) -> None:
        known = self._items.get(_name(item))
        if known is not None and known["metadata"]["uid"] == item["metadata"]["uid"]:
            self._remove(known)
            self._tell(known)

    def _remove(self, known: Json) -> None:
        del self._items[_name(known)]
        group = self._watched.group(known)
        del self._groups[group][_name(known)]
        if not self._groups[group]:
            del self._groups[group]

    def _tell(self, item: Json) -> None:
        self._on_change(item)


def _name(item: Json) -> Name:
    return item["metadata"]["namespace"], item["metadata"]["name"]


def _version(item: Json) -> int:
    """Resource versions of one kind can be compared as numbers (since Kubernetes 1.35 by contract, before by habit)."""
    return int(item["metadata"]["resourceVersion"])
