"""Looks at Redis's version and settings once, and says what would lose jobs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from headrace.wire.commands import Reply
from headrace.wire.link import Link

LEAST_VERSION: Final = (6, 2)
_POLICY: Final = ("CONFIG", "GET", "maxmemory-policy")


async def check_servers(link: Link) -> list[str]:
    """One line per problem, of the server or of each primary of a Cluster. What an ACL does not let us see is passed
    over. Raises QueueUnavailableError.
    """
    found: dict[str, None] = {}
    for server in await link.servers():
        info, policy = await server.pipeline_replies([("INFO", "server"), _POLICY], link.timeout)
        found |= dict.fromkeys(_problems(info, policy))
    return list(found)


def _problems(info: Reply, policy: Reply) -> Iterator[str]:
    version = None if isinstance(info, Exception) else _version(info.decode())
    if version and version < LEAST_VERSION:
        yield f"Redis {version[0]}.{version[1]} is too old: headrace needs 6.2 or newer, or Valkey"
    if isinstance(policy, Exception) or len(policy) != 2 or policy[1] == b"noeviction":
        return
    yield f"Redis's maxmemory-policy is {policy[1].decode()}: a full Redis throws jobs away; set it to noeviction"


def _version(info: str) -> tuple[int, int] | None:
    for line in info.splitlines():
        name, _, value = line.partition(":")
        if name == "redis_version":
            major, minor, *_ = value.split(".")
            return int(major), int(minor)
    return None
