"""How this machine's fleet loses its Redis: the name, the login, the answers, the primary, the data's shape."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from dataclasses import dataclass, field

from redis.asyncio import Redis

from headrace.contract.keys import prefix
from operator_faults.site import PASSWORD, USER, Site
from support.live_fleet import QUEUE
from support.own_names import silent_name_server
from support.replication import command, follow, hand_over
from support.servers import RedisServer


@dataclass
class NameUnknown:
    """The operators' name service says that there is no such host. Only who connects anew asks it, so all must."""

    site: Site

    async def begin(self) -> None:
        self.site.names.forget()
        await self.site.cut_operators()

    async def heal(self) -> None:
        self.site.names.know()


@dataclass
class NameServerSilent:
    """The operators' name service doesn't answer."""

    site: Site
    _open: ExitStack = field(default_factory=ExitStack)

    async def begin(self) -> None:
        self._open.enter_context(silent_name_server())
        self.site.names.silence()
        await self.site.cut_operators()

    async def heal(self) -> None:
        self.site.names.know()
        self._open.close()


@dataclass
class WrongPassword:
    """The password was changed at the server only."""

    site: Site

    async def begin(self) -> None:
        await self.site.let_in("another-one")

    async def heal(self) -> None:
        await self.site.let_in(PASSWORD)


@dataclass
class Unanswered:
    """The server hangs: connections stay open and are accepted, and nothing is answered."""

    site: Site

    async def begin(self) -> None:
        self.site.fleet.redis.freeze()

    async def heal(self) -> None:
        self.site.fleet.redis.thaw()


@dataclass
class Refused:
    """Nobody stands behind the address."""

    site: Site

    async def begin(self) -> None:
        self.site.service.upstream = None
        await self.site.cut()

    async def heal(self) -> None:
        self.site.service.upstream = self.site.fleet.redis.port


@dataclass
class Failover:
    """The primary becomes the replica of its replica, and the address takes a while to follow: it only reads there.

    Healing points the address to the new primary, where it stays until Site.restore.
    """

    site: Site

    async def begin(self) -> None:
        new = RedisServer()
        await asyncio.to_thread(new.start)
        self.site.stand_in = new
        await follow(new, self.site.fleet.redis)
        # Users are not replicated.
        async with Redis.from_url(new.url) as client:
            await command(client, "ACL", "SETUSER", USER, f">{PASSWORD}", "~*", "&*", "+@all", "on")
        await hand_over(self.site.fleet.redis, new)

    async def heal(self) -> None:
        assert self.site.stand_in is not None
        await self.site.serve_from(self.site.stand_in)


@dataclass
class WrongType:
    """Something else lies under the key of the scheduled jobs."""

    site: Site

    @property
    def _key(self) -> str:
        return f"{prefix(QUEUE)}sched"

    async def begin(self) -> None:
        if await self.site.redis.exists(self._key):
            await self.site.redis.rename(self._key, f"aside:{self._key}")
        await self.site.redis.set(self._key, "not a sorted set")

    async def heal(self) -> None:
        await self.site.redis.delete(self._key)
        if await self.site.redis.exists(f"aside:{self._key}"):
            await self.site.redis.rename(f"aside:{self._key}", self._key)
