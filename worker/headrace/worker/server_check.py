"""Looks at Redis's version and settings once, and says what would lose jobs."""

from __future__ import annotations

from headrace.wire.connection import ServerError
from headrace.wire.link import Link

LEAST_VERSION = (6, 2)


async def check_server(link: Link) -> list[str]:
    """One line per problem. What an ACL does not let us see is passed over. Raises QueueUnavailableError."""
    warnings = []
    try:
        info = (await link.request("INFO", "server")).decode()
        version = _version(info)
        if version and version < LEAST_VERSION:
            warnings.append(f"Redis {version[0]}.{version[1]} is too old: headrace needs 6.2 or newer, or Valkey")
        policy = await link.request("CONFIG", "GET", "maxmemory-policy")
        if len(policy) == 2 and policy[1] != b"noeviction":
            found = policy[1].decode()
            warnings.append(f"Redis's maxmemory-policy is {found}: a full Redis throws jobs away; set it to noeviction")
    except ServerError:
        return warnings
    return warnings


def _version(info: str) -> tuple[int, int] | None:
    for line in info.splitlines():
        name, _, value = line.partition(":")
        if name == "redis_version":
            major, minor, *_ = value.split(".")
            return int(major), int(minor)
    return None
