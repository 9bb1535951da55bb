"""A server that follows another, and the ways in which it takes the other's place. Users are not replicated."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from redis.asyncio import Redis

from support.polling import eventually

SECONDS = 30


class Server(Protocol):
    """A server as tests reach it and as its peers do."""

    @property
    def url(self) -> str:
        """For tests."""

    @property
    def host(self) -> str:
        """For its peers."""

    @property
    def port(self) -> int:
        """For its peers."""


async def command(client: Redis, *arguments: str | int) -> None:
    """One that the library has no method for."""
    execute: Callable[..., Awaitable[object]] = client.execute_command
    await execute(*arguments)


async def follow(replica: Server, primary: Server) -> None:
    """Return once `replica` has all of the data that `primary` had when this began."""
    async with Redis.from_url(primary.url) as client:
        await client.config_set("repl-diskless-sync-delay", 0)
    async with Redis.from_url(replica.url, decode_responses=True) as client:
        await client.replicaof(primary.host, primary.port)

        async def linked() -> bool:
            return bool((await client.info("replication")).get("master_link_status") == "up")

        await eventually(linked, within=SECONDS, every=0.1)


async def catch_up(replica: Server, primary: Server) -> None:
    """Return once `replica`, which follows `primary`, has every write that `primary` had taken when this began."""
    async with Redis.from_url(primary.url, decode_responses=True) as client:
        taken = (await client.info("replication"))["master_repl_offset"]
    async with Redis.from_url(replica.url, decode_responses=True) as client:

        async def reached() -> bool:
            return bool((await client.info("replication"))["slave_repl_offset"] >= taken)

        await eventually(reached, within=SECONDS)


async def promote(replica: Server) -> None:
    """`replica` is a primary from now on, with what it has; for when the old primary is gone."""
    async with Redis.from_url(replica.url, decode_responses=True) as client:
        await client.replicaof("NO", "ONE")


async def hand_over(old: Server, new: Server) -> None:
    """`old` waits until `new`, its replica, has everything, makes it the primary and follows it."""
    async with Redis.from_url(old.url, decode_responses=True) as client:
        await command(client, "FAILOVER", "TO", new.host, new.port)

        async def demoted() -> bool:
            state = await client.info("replication")
            return bool(state["role"] == "slave" and state.get("master_link_status") == "up")

        await eventually(demoted, within=SECONDS, every=0.1)
