"""Reads the streams of a queue with their consumer group, and what else says who holds which job; changes nothing."""

from __future__ import annotations

from collections.abc import Mapping

from headrace.contract.keys import prefix
from headrace.wire.link import Link

LINES = ("ready:high", "ready:default", "ready:low", "suspects")
RETURNED = "returned"


async def ready_lines(link: Link, queue: str) -> dict[str, dict[str, float]]:
    """The ready jobs under the names that sorted sets have for them: id → since when it could run, µs.

    Fails unless entries, index, pending entries and sessions say the same, and for a consumer that is no session's.
    """
    at = prefix(queue) + "streams:"
    index = _decoded(await link.request("HGETALL", f"{at}at"))
    owners = await link.request("KEYS", f"{at}own:*".replace("{", "[{]"), at=at)
    held: dict[str, str] = {}
    for key in owners:
        sid = key.decode().removeprefix(f"{at}own:")
        held |= dict.fromkeys(_decoded(await link.request("HGETALL", key)), sid)
    sessions = await link.pipeline([("ZRANGE", at + name, 0, -1) for name in ("sess", "reaping")])
    consumers = {RETURNED.encode(), *sessions[0], *sessions[1]}
    found: dict[str, dict[str, float]] = {}
    entries: dict[str, str] = {}
    for line in LINES:
        stream = f"{at}{line}"
        pending = await _pending(link, stream)
        assert await _consumers(link, stream) <= consumers
        ready: dict[str, float] = {}
        for entry, fields in await link.request("XRANGE", stream, "-", "+"):
            job_id = fields[1].decode()
            assert job_id not in entries, f"{job_id} has two entries"
            entries[job_id] = f"{line} {entry.decode()}"
            holder = pending.pop(entry.decode(), RETURNED)
            assert held.get(job_id, RETURNED) == holder, f"{job_id} is pending with {holder}, not {held.get(job_id)}"
            if holder == RETURNED:
                ready[job_id] = float(fields[3]) if len(fields) > 3 else float(entry.split(b"-")[0]) * 1000
        assert not pending, f"pending without an entry: {pending}"
        found[line] = ready
    assert entries == index
    return found


async def _consumers(link: Link, stream: str) -> set[bytes]:
    if not await _has_group(link, stream):
        return set()
    return {consumer[1] for consumer in await link.request("XINFO", "CONSUMERS", stream, "fleet")}


async def _has_group(link: Link, stream: str) -> bool:
    return bool(await link.request("EXISTS", stream) and await link.request("XINFO", "GROUPS", stream))


async def _pending(link: Link, stream: str) -> dict[str, str]:
    """Entry → consumer."""
    if not await _has_group(link, stream):
        return {}
    found = await link.request("XPENDING", stream, "fleet", "-", "+", 10_000)
    return {entry.decode(): consumer.decode() for entry, consumer, *_ in found}


async def entries_at(link: Link, queue: str) -> dict[str, str]:
    """Job id → its line, and the consumer that its entry is pending with, if any."""
    at = prefix(queue) + "streams:"
    found = {}
    for job_id, place in _decoded(await link.request("HGETALL", f"{at}at")).items():
        line, entry = place.split()
        found[job_id] = f"{line} {(await _pending(link, at + line)).get(entry, '')}"
    return found


def _decoded(flat: list[bytes]) -> Mapping[str, str]:
    return {flat[i].decode(): flat[i + 1].decode() for i in range(0, len(flat), 2)}


def streams_url(redis_url: str) -> str:
    """The same server, with jobs in streams."""
    return redis_url.replace("://", "+streams://", 1)
