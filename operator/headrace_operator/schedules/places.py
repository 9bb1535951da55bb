"""The queues that Schedules put jobs into: one connection for each Redis, and what workers have published there."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from headrace.admin.queue_admin import QueueAdmin
from headrace.errors import QueueUnavailableError
from headrace.wire.link import Link
from headrace.wire.target import Target
from headrace_operator.api.names import ScheduleKey

Published = Mapping[str, Mapping[str, Any]]
"""Task → JSON Schema of its arguments."""


@dataclass(frozen=True)
class Place:
    """Where the record of a Schedule is."""

    target: Target
    queue: str
    uid: str


class Places:
    """Connections are made when first needed and closed with their last Schedule."""

    def __init__(self, timeout: float, remember: float) -> None:
        """timeout: for one call; remember: how long what was published is not asked for again. Seconds."""
        self._timeout, self._remember = timeout, remember
        self._links: dict[Target, Link] = {}
        self._users: dict[Target, set[ScheduleKey]] = {}
        self._published: dict[tuple[Target, str], tuple[float, Published]] = {}

    def admin(self, place: Place, user: ScheduleKey) -> QueueAdmin:
        """Operations on its queue; `user` needs the connection from now on."""
        target = place.target
        if target not in self._links:
            self._links[target] = Link(target, name="headrace-schedules", timeout=self._timeout)
        self._users.setdefault(target, set()).add(user)
        return QueueAdmin(self._links[target], place.queue)

    async def published(self, place: Place, user: ScheduleKey) -> Published:
        """What its workers have said of their tasks. Raises QueueUnavailableError."""
        at = place.target, place.queue
        told, known = self._published.get(at, (0.0, {}))
        if at not in self._published or time.monotonic() - told >= self._remember:
            try:
                known = await self.admin(place, user).published.schemas()
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                raise QueueUnavailableError(
                    f"what is published of the tasks of queue {place.queue}: {error}"
                ) from error
            self._published[at] = time.monotonic(), known
        return known

    async def leave(self, target: Target, user: ScheduleKey) -> None:
        """The end of `admin`."""
        users = self._users.get(target, set())
        users.discard(user)
        if not users and target in self._links:
            del self._users[target]
            self._published = {at: found for at, found in self._published.items() if at[0] != target}
            await self._links.pop(target).close()

    async def close(self) -> None:
        """Close all."""
        while self._links:
            await self._links.popitem()[1].close()
