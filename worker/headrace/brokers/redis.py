"""Redis and Valkey as a broker: the protocol's calls as Lua scripts over a link.

Owns how arguments are packed and replies read, whatever the layout of a queue. Knows nothing of retries: those are the
callers'.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator, Coroutine, Mapping, Sequence
from typing import Any, Final

import msgspec

from headrace.brokers.durability import Assurance, Durability
from headrace.brokers.layout import SORTED_SETS, Layout
from headrace.brokers.protocol import (
    CALL_TIMEOUT,
    DeadJob,
    Exchanged,
    Joined,
    LeaseRenewal,
    Planned,
    RenewedLease,
    Settled,
)
from headrace.brokers.server_check import check_servers
from headrace.contract.ending import Ending, decode_ending
from headrace.contract.entry import Entry, Standing
from headrace.contract.envelope import decode_dead_entry
from headrace.contract.keys import prefix
from headrace.contract.progress import Progress, decode_kept
from headrace.contract.protocol import PROTOCOL, State
from headrace.contract.replies import decode_stats, decode_tick, encode_tick
from headrace.contract.stats import PlannedTick, QueueStats
from headrace.errors import HeadraceError
from headrace.wire.blocking_link import BlockingLink
from headrace.wire.channels import Channels, Heard, follow
from headrace.wire.commands import Argument
from headrace.wire.link import Link
from headrace.wire.target import Target

CAPABILITIES: Final = SORTED_SETS.capabilities
REPLAY_KEEP_MS: Final = 60_000


class RedisBroker:
    """Over one link, which others may use as well."""

    def __init__(self, link: Link, layout: Layout = SORTED_SETS, assurance: Assurance | None = None) -> None:
        """assurance: what enqueues wait for."""
        self.link = link
        self.capabilities = layout.capabilities
        self._layout = layout
        self._assurance = assurance

    def assured(self, level: str, replicas: int) -> RedisBroker:
        """Over the same link, which then waits, too."""
        return RedisBroker(self.link, self._layout, Assurance(self._layout, Durability(level), replicas))

    def _run(self, name: str, queue: str, *args: Argument) -> Coroutine[Any, Any, Any]:
        return self.link.run(self._layout.script(name), prefix(queue), *args)

    async def enqueue(
        self, queue: str, producer: str, seq: int, keep_ms: int, entries: Sequence[Entry]
    ) -> dict[int, Standing]:
        """enqueue.lua; with an assurance raises NotDurableError, too."""
        plain = [part for entry in entries if entry.plain for part in (entry.id, entry.value)]
        special = [place for place, entry in enumerate(entries) if not entry.plain]
        packed = msgspec.msgpack.encode([entries[place].packed() for place in special]) if special else b""
        found = await self._enqueue(queue, producer, keep_ms, (seq, keep_ms, len(plain) // 2, *plain, packed))
        return {
            special[found[i] - 1]: Standing(found[i + 1].decode(), bool(found[i + 2])) for i in range(0, len(found), 3)
        }

    async def _enqueue(self, queue: str, producer: str, keep_ms: int, arguments: tuple[Argument, ...]) -> list[Any]:
        if self._assurance is not None:
            return await self._assurance.enqueue(self.link, queue, producer, arguments, keep_ms)
        found: list[Any] = await self._run("enqueue", queue, producer, *arguments)
        return found

    async def state(self, queue: str, job_id: str) -> State:
        """locate.lua."""
        ((_, places, _, _),) = await self._run("locate", queue, job_id)
        if not places:
            return State.DONE
        place = places[0].decode()
        return {"suspects": State.READY, "reaping": State.LEASED}.get(place) or State(place)

    async def cancel(self, queue: str, job_id: str, keep_ms: int | None) -> str:
        """cancel.lua."""
        answer: bytes = await self._run("cancel", queue, job_id, "" if keep_ms is None else keep_ms)
        return answer.decode()

    async def endings(self, queue: str, ids: Sequence[str]) -> list[Ending]:
        """outcomes.lua."""
        return [decode_ending(reply) for reply in await self._run("outcomes", queue, *ids)]

    async def progress(self, queue: str, job_id: str) -> Progress | None:
        """locate.lua, then the session's own hash and what it has said: who holds the job says under which claim."""
        ((_, places, _, _),) = await self._run("locate", queue, job_id)
        if not places or places[0] != b"leased":
            return None
        sid = places[1].decode()
        claim, kept = await self.link.pipeline(
            [
                ("HGET", self._layout.key(queue, f"own:{sid}"), job_id),
                ("GET", self._layout.key(queue, f"progress:{sid}")),
            ]
        )
        return decode_kept(kept).get((job_id, claim.decode())) if claim else None

    def follow(self, channels: Channels) -> AsyncGenerator[Heard, None]:
        """On a connection of its own."""
        return follow(self.link.target, channels)

    async def join(self, queue: str, sid: str, lease_ms: int, presence: bytes, rules: bytes) -> Joined:
        """join.lua."""
        return Joined(*await self._run("join", queue, sid, lease_ms, presence, PROTOCOL, rules))

    async def leave(self, queue: str, sid: str) -> int:
        """leave.lua."""
        given_back: int = await self._run("leave", queue, sid)
        return given_back

    async def exchange(
        self, queue: str, sid: str, lane: str, seq: int, n: int, flags: str, version: str, settled: Settled
    ) -> Exchanged:
        """exchange.lua."""
        return Exchanged(*await self._run("exchange", queue, sid, lane, seq, n, flags, version, *settled.arguments()))

    async def held(self, queue: str, sid: str) -> dict[str, str]:
        """The session's own hash."""
        flat = await self.link.request("HGETALL", self._layout.key(queue, f"own:{sid}"))
        return {flat[i].decode(): flat[i + 1].decode() for i in range(0, len(flat), 2)}

    async def wait_for_work(self, queue: str, seconds: float, timeout: float) -> None:
        """A wake token; occupies the connection."""
        await self.link.request("BLPOP", self._layout.key(queue, "wake"), seconds, timeout=timeout)

    async def exchange_when_woken(
        self,
        queue: str,
        sid: str,
        lane: str,
        seq: int,
        n: int,
        flags: str,
        version: str,
        settled: Settled,
        seconds: float,
        timeout: float,
    ) -> Exchanged:
        """Both sent at once: whoever gets the token runs the script in the server, on no way to the worker and back."""
        wait = ("BLPOP", self._layout.key(queue, "wake"), seconds)
        arguments = (sid, lane, seq, n, flags, version, *settled.arguments())
        name = self._layout.script("exchange")
        return Exchanged(*await self.link.run_after(wait, name, prefix(queue), arguments, timeout))

    async def plan(
        self,
        queue: str,
        task: str,
        seen: PlannedTick | None,
        wanted: PlannedTick | None,
        standing: str,
        entries: Sequence[Entry],
    ) -> Planned:
        """plan.lua."""
        packed = msgspec.msgpack.encode([entry.packed() for entry in entries]) if entries else b""
        now_ms, held, planned, _ = await self._run(
            "plan",
            queue,
            task,
            encode_tick(seen) if seen else "",
            encode_tick(wanted) if wanted else "",
            standing,
            packed,
        )
        return Planned(now_ms, decode_tick(held) if held else None, planned == 1)

    async def publish(self, queue: str, schemas: Mapping[str, bytes], keeps: Mapping[str, int | None]) -> None:
        """Into the hashes `schemas` and `keep`."""
        commands: list[tuple[str | bytes, ...]] = []
        if schemas:
            pairs = [part for pair in schemas.items() for part in pair]
            commands.append(("HSET", self._layout.key(queue, "schemas"), *pairs))
        keep = self._layout.key(queue, "keep")
        for task, keep_ms in keeps.items():
            commands.append(("HSET", keep, task, str(keep_ms)) if keep_ms else ("HDEL", keep, task))
        await self.link.pipeline(commands)

    async def stats(self, queue: str) -> QueueStats:
        """stats.lua."""
        return decode_stats(queue, await self._run("stats", queue))

    async def dead_letters(self, queue: str, most: int) -> list[DeadJob]:
        """The letters' ids by their time of death, then their entries."""
        found = await self.link.request("ZRANGE", self._layout.key(queue, "dead"), 0, most - 1, "WITHSCORES")
        died = {found[i]: int(float(found[i + 1])) for i in range(0, len(found), 2)}
        entries = await self.link.request("HMGET", self._layout.key(queue, "dj"), *died) if died else []
        return [_dead_job(job_id, entry, died[job_id]) for job_id, entry in zip(died, entries, strict=True) if entry]

    async def replay(self, queue: str, ids: Sequence[str]) -> int:
        """replay.lua, under a request of its own."""
        request = f"ids.{secrets.token_hex(8)}"
        await self._run("accept_replay", queue, request, "", 0, 0, REPLAY_KEEP_MS)
        moved, *_ = await self._run("replay", queue, request, REPLAY_KEEP_MS, *ids)
        return int(moved)

    async def pause(self, queue: str, paused: bool) -> None:
        """pause.lua and resume.lua."""
        await self._run("pause" if paused else "resume", queue)

    async def problems(self) -> list[str]:
        """Of the server's version and settings."""
        return await check_servers(self.link)

    async def close(self) -> None:
        """Close the link."""
        await self.link.close()


class RedisRenewer:
    """renew.lua over a link that blocks."""

    def __init__(self, target: Target, timeout: float, name: str, layout: Layout = SORTED_SETS) -> None:
        self._link = BlockingLink(target, timeout, name)
        self._script = layout.script("renew")

    def renew(self, calls: Sequence[LeaseRenewal]) -> list[RenewedLease | HeadraceError]:
        """One write per server."""
        replies = self._link.run_each(self._script, [(prefix(call.queue), *call[1:]) for call in calls])
        return [reply if isinstance(reply, HeadraceError) else _renewed(reply) for reply in replies]

    def close(self) -> None:
        """Close its connections."""
        self._link.close()


class RedisSource:
    """One server, or a Cluster, or whatever the Sentinels say is the primary."""

    def __init__(self, target: Target, layout: Layout = SORTED_SETS) -> None:
        self.target = target
        self.capabilities = layout.capabilities
        self._layout = layout

    @property
    def redacted(self) -> str:
        """The address without its password."""
        return self.target.redacted

    def open(self, name: str, timeout: float = CALL_TIMEOUT) -> RedisBroker:
        """Over a link of its own."""
        return RedisBroker(Link(self.target, name=name, timeout=timeout), self._layout)

    def renewer(self, name: str, timeout: float) -> RedisRenewer:
        """Over a link of its own."""
        return RedisRenewer(self.target, timeout, name, self._layout)


def _dead_job(job_id: bytes, entry: bytes, died_us: int) -> DeadJob:
    facet, _, record = decode_dead_entry(entry)
    task, _, reason = facet.partition("|")
    return DeadJob(job_id.decode(), task, reason, record.error, record.attempts, died_us)


def _renewed(reply: Sequence[Any]) -> RenewedLease:
    status, _, leases, cancelled, cordoned = reply
    return RenewedLease(status == b"OK", leases, cancelled, cordoned == 1)
