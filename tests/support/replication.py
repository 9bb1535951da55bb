"""A server that follows another, and their change of roles without a lost write."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from redis.asyncio import Redis

from support.polling import eventually
from support.servers import RedisServer

SECONDS = 30


async def command(client: Redis, *arguments: str | int) -> None:
    """One that the library has no method for."""
    execute: Callable[..., Awaitable[object]] = client.execute_command
    await execute(*arguments)


async def follow(replica: RedisServer, primary: RedisServer) -> None:
    """Return once `replica` has all of `primary`'s data."""
    async with Redis.from_url(replica.url, decode_responses=True) as client:
        await client.replicaof("127.0.0.1", primary.port)

        async def linked() -> bool:
            return bool((await client.info("replication")).get("master_link_status") == "up")

        await eventually(linked, within=SECONDS, every=0.1)


async def hand_over(old: RedisServer, new: RedisServer) -> None:
    """`old` waits until `new`, its replica, has everything, makes it the primary and follows it."""
    async with Redis.from_url(old.url, decode_responses=True) as client:
        await command(client, "FAILOVER", "TO", "127.0.0.1", new.port)

        async def demoted() -> bool:
            state = await client.info("replication")
            return bool(state["role"] == "slave" and state.get("master_link_status") == "up")

        await eventually(demoted, within=SECONDS, every=0.1)
