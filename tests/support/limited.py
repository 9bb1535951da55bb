"""What the limits keep, per key its leased and its parked ids, held against what the states of the jobs say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from headrace.contract.entry import Mark
from support.queue_driver import QueueDriver, Special
from support.queue_state import Snapshot


def limited(job_id: str, key: str, rule: str = "t", *, delay_ms: int = 0, priority: str = "default") -> Special:
    """A job with a limit key."""
    return Special(job_id, delay_ms=delay_ms, priority=priority, mark=Mark(limit_key=key, rule=rule))


def many(key: str, count: int, rule: str = "t") -> list[Special]:
    """`<key>0`, `<key>1`, …"""
    return [limited(f"{key}{i}", key, rule) for i in range(count)]


@dataclass(frozen=True)
class KeyView:
    """One limit key: what its own structures say, and what the states of its jobs say."""

    running: frozenset[str]
    waiting: frozenset[str]
    leased: frozenset[str]
    parked: frozenset[str]
    ready: frozenset[str]


async def look_at_keys(queue: QueueDriver, seen: Snapshot) -> Mapping[str, KeyView]:
    """Every limit key that a job or a structure names."""
    keys: dict[str, set[str]] = {}
    for job_id, packed in seen.hashes["marks"].items():
        if key := msgspec.msgpack.decode(packed)[0]:
            keys.setdefault(key, set()).add(job_id)
    for family in ("kc:", "kw:"):
        pattern = queue.key(family + "*").replace("{", "[{]")
        for found in await queue.link.request("KEYS", pattern):
            keys.setdefault(found.decode().removeprefix(queue.key(family)), set())
    return {key: await _view(queue, seen, key, ids) for key, ids in keys.items()}


async def _view(queue: QueueDriver, seen: Snapshot, key: str, ids: set[str]) -> KeyView:
    running = await queue.link.request("SMEMBERS", queue.key(f"kc:{key}"))
    waiting = await queue.link.request("ZRANGE", queue.key(f"kw:{key}"), 0, -1)

    def standing(*places: str) -> frozenset[str]:
        return frozenset(i for i in ids if any(p.startswith(places) for p in seen.places.get(i, ())))

    return KeyView(
        running=frozenset(member.decode() for member in running),
        waiting=frozenset(member.decode() for member in waiting),
        leased=standing("leased", "orphaned"),
        parked=standing("parked"),
        ready=standing("ready", "suspects"),
    )


async def check_keys(queue: QueueDriver) -> Mapping[str, KeyView]:
    """The law of limits: a key's set is its leased jobs, its line is its parked ones, and whatever is parked is let out
    by something that is bound to happen. Returns what it saw."""
    seen = await queue.look()
    assert not seen.misplaced()
    assert not seen.leftovers()
    views = await look_at_keys(queue, seen)
    for key, view in views.items():
        assert view.running == view.leased, key
        assert view.waiting == view.parked, key
        assert not view.waiting or view.running or view.ready or key in seen.zsets["kdue"], f"{key} is stuck"
    assert seen.sets["parked"] == frozenset().union(*(view.waiting for view in views.values()))
    return views


async def run_all(queue: QueueDriver, sid: str) -> list[str]:
    """The ids in the order in which one worker is given them, until it is given none; the law is checked each time."""
    order: list[str] = []
    got = await queue.exchange(sid, 10)
    while got.ids:
        order += got.ids
        await check_keys(queue)
        got = await queue.exchange(sid, 10, done=got.done)
    return order
