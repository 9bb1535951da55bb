"""Calls the queue's scripts one by one, with typed arguments and answers, and holds the clock for them.

The production scripts know no test clock: with the clock held, the text that goes to Redis reads a key where the
original says `call('TIME')`, and is otherwise the original.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import Any

import msgspec

from headrace.client.limits import Rule
from headrace.contract.entry import Entry, Mark
from headrace.contract.envelope import Envelope, encode, header
from headrace.contract.keys import prefix
from headrace.contract.protocol import PROTOCOL, Priority
from headrace.contract.replies import decode_stats, encode_presence
from headrace.contract.scripts import script
from headrace.contract.stats import QueueStats
from headrace.wire.commands import Argument
from headrace.wire.errors import NoScriptError
from headrace.wire.link import Link
from support.presences import presence
from support.queue_state import Snapshot, read_snapshot

LEASE_MS = 30_000
KEEP_MS = 600_000
POP_FIRST = """(function()
  local all = call('SMEMBERS', K.parked)
  table.sort(all)
  local first = {unpack(all, 1, math.min(left, #all))}
  if #first > 0 then call('SREM', K.parked, unpack(first)) end
  return first
end)()"""
"""Instead of the SPOP of a purge: what Redis takes at random, the same each time."""
_pack = msgspec.msgpack.Encoder().encode


def told(version: str, protocol: int = PROTOCOL) -> bytes:
    """What a worker of that version says of itself."""
    return encode_presence(presence("w", version=version, slots=100, protocol=protocol))


def value(task: str = "t") -> bytes:
    """A job's value with an empty payload."""
    return encode(header(task), Envelope(1, b""))


@dataclass(frozen=True)
class Special:
    """A job that is not plain: delayed, of another priority, or with an id of the caller's."""

    id: str
    at_ms: int = 0
    delay_ms: int = 0
    priority: str = "default"
    given: bool = False
    task: str = "t"
    mark: Mark | None = None

    def packed(self) -> tuple[Any, ...]:
        entry = Entry(
            self.id, value(self.task), self.at_ms, self.delay_ms, Priority(self.priority), self.given, self.mark
        )
        return entry.packed()


@dataclass(frozen=True)
class Exchanged:
    """The reply of exchange.lua. `claim` is the token that `ids` are held under."""

    status: str
    now_ms: int
    next_due_ms: int
    stale: tuple[str, ...]
    cancelled: tuple[str, ...]
    ids: tuple[str, ...]
    values: tuple[bytes, ...]
    ready_us: tuple[int, ...]
    crashes: tuple[int, ...]
    on_trial: bool
    claim: str

    @property
    def done(self) -> dict[str, tuple[str, ...]]:
        """All that was claimed, as the `done` argument of the next exchange."""
        return {self.claim: self.ids} if self.ids else {}


def _texts(raw: Iterable[bytes]) -> tuple[str, ...]:
    return tuple(item.decode() for item in raw)


class QueueDriver:
    """One queue's scripts over a link. Sequence numbers grow by themselves unless given."""

    def __init__(
        self, link: Link, queue: str = "q", *, constants: Mapping[str, int] | None = None, variant: str = ""
    ) -> None:
        """`variant`: of the scripts, see contract/scripts.py.

        `constants`: other values for Lua constants, such as CHUNK, so that small tests reach their edges; then what
        Redis would choose at random is the first instead, so that a history can be told again.
        """
        self.link = link
        self.queue = queue
        self.prefix = prefix(queue)
        self.variant = variant
        self.now_us: int | None = None
        """The held clock; None: Redis's own."""
        self._constants = dict(constants or {})
        self._seq = 0

    def key(self, name: str) -> str:
        return f"{self.prefix}{self.variant}:{name}" if self.variant else self.prefix + name

    # -- the clock

    async def hold_clock(self) -> None:
        """From here on time passes only by `advance`; begins at a whole millisecond of the present."""
        await self._set_clock(int(time.time() * 1000) * 1000)

    async def advance(self, ms: int) -> None:
        assert self.now_us is not None, "hold the clock first"
        await self._set_clock(self.now_us + ms * 1000)

    async def _set_clock(self, us: int) -> None:
        await self.link.request(*self.clock_set_to(us))

    def clock_set_to(self, us: int) -> tuple[Argument, ...]:
        """The command that sets the held clock, to be sent next."""
        self.now_us = us
        return ("HSET", self.prefix + "test:clock", "s", us // 1_000_000, "us", us % 1_000_000)

    @property
    def now_ms(self) -> int:
        assert self.now_us is not None, "hold the clock first"
        return self.now_us // 1000

    def _source(self, name: str) -> str:
        source = script(name).source
        for constant, number in self._constants.items():
            source = _replace_constant(source, constant, number)
            source = source.replace("call('HRANDFIELD', own, CHUNK)", "{unpack(call('HKEYS', own), 1, CHUNK)}")
        if self._constants:
            source = source.replace("call('SPOP', K.parked, left)", POP_FIRST)
        if self.now_us is not None:
            source = source.replace("call('TIME')", "call('HMGET', KEYS[1] .. 'test:clock', 's', 'us')")
        return source

    async def run(self, name: str, *args: Argument) -> Any:
        """The script's raw reply."""
        name = f"{self.variant}/{name}" if self.variant else name
        if self.now_us is None and not self._constants:
            return await self.link.run(name, self.prefix, *args)
        source = self._source(name)
        sha = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()
        try:
            return await self.link.request("EVALSHA", sha, 1, self.prefix, *args)
        except NoScriptError:
            return await self.link.request("EVAL", source, 1, self.prefix, *args)

    # -- the scripts

    def _number(self, seq: int | None) -> int:
        self._seq = max(self._seq + 1, seq or 0)
        return self._seq if seq is None else seq

    async def enqueue(
        self,
        ids: Sequence[str] = (),
        specials: Sequence[Special] = (),
        *,
        producer: str = "p",
        seq: int | None = None,
        task: str = "t",
    ) -> tuple[str, ...]:
        """Of those for which nothing was enqueued, the jobs that stand."""
        return tuple(
            first for _, first, _ in await self.enqueue_asking(ids, specials, producer=producer, seq=seq, task=task)
        )

    async def enqueue_asking(
        self,
        ids: Sequence[str] = (),
        specials: Sequence[Special] = (),
        *,
        producer: str = "p",
        seq: int | None = None,
        task: str = "t",
    ) -> list[tuple[int, str, bool]]:
        """The same with all that is answered: place among the specials, the job that stands, conflict."""
        plain = [part for job_id in ids for part in (job_id, value(task))]
        packed = _pack([special.packed() for special in specials]) if specials else b""
        flat = await self.run("enqueue", producer, self._number(seq), KEEP_MS, len(ids), *plain, packed)
        return [(flat[i], flat[i + 1].decode(), bool(flat[i + 2])) for i in range(0, len(flat), 3)]

    async def join(
        self,
        sid: str,
        *,
        lease_ms: int = LEASE_MS,
        protocol: int = PROTOCOL,
        version: str = "v1",
        rules: Mapping[str, Rule] | None = None,
    ) -> list[Any]:
        packed = _pack({name: astuple(rule) for name, rule in rules.items()}) if rules else b""
        reply: list[Any] = await self.run("join", sid, lease_ms, told(version, protocol), protocol, packed)
        return reply

    async def exchange(
        self,
        sid: str,
        n: int = 0,
        *,
        lane: str = "0",
        seq: int | None = None,
        done: Mapping[str, Sequence[str]] | None = None,
        others: Sequence[object] = (),
        flags: str = "",
        version: str = "v1",
        service_us: int = 0,
    ) -> Exchanged:
        groups: list[Argument] = []
        for claim, ids in (done or {}).items():
            groups += [claim, len(ids), *ids]
        packed = _pack(list(others)) if others else b""
        number = self._number(seq)
        head: tuple[Argument, ...] = (sid, lane, number, n, flags, version, service_us, len(done or {}))
        reply = await self.run("exchange", *head, *groups, packed)
        status, now_ms, due, stale, cancelled, ids, values, scores, crashes, trial = reply
        return Exchanged(
            status=status.decode(),
            now_ms=now_ms,
            next_due_ms=due,
            stale=_texts(stale),
            cancelled=_texts(cancelled),
            ids=_texts(ids),
            values=tuple(values),
            ready_us=tuple(int(score) for score in scores),
            crashes=tuple(crashes),
            on_trial=bool(trial),
            claim=f"{lane}.{number}",
        )

    async def renew(
        self, sid: str, *, lease_ms: int = LEASE_MS, version: str = "v1", progress: bytes = b""
    ) -> list[Any]:
        reply: list[Any] = await self.run("renew", sid, lease_ms, told(version), progress)
        return reply

    async def leave(self, sid: str) -> int:
        given_back: int = await self.run("leave", sid)
        return given_back

    async def cancel(self, job_id: str) -> str:
        verdict: bytes = await self.run("cancel", job_id)
        return verdict.decode()

    async def replay(self, *ids: str, request: str = "r") -> int:
        """Accept a request for whatever is dead by now and move these ids; how many were moved."""
        await self.run("accept_replay", request, "digest", 0, 0, KEEP_MS)
        moved, *_ = await self.run("replay", request, KEEP_MS, *ids)
        return int(moved)

    async def stats(self) -> QueueStats:
        return decode_stats(self.queue, await self.run("stats"))

    # -- looking

    async def look(self) -> Snapshot:
        return await read_snapshot(self.link, self.queue, self.variant)

    async def states(self) -> dict[str, set[str]]:
        """Job id → set of places, for each id that is anywhere; empty for an envelope that stands nowhere."""
        return {job_id: set(found) for job_id, found in (await self.look()).places.items()}

    async def place(self, job_id: str) -> str:
        """The one place of a job, `gone` if it has none; fails when it stands in several."""
        found = (await self.look()).places.get(job_id, frozenset())
        assert len(found) <= 1, f"{job_id} stands in {sorted(found)}"
        return next(iter(found), "gone")


def _replace_constant(source: str, name: str, number: int) -> str:
    lines = source.split("\n")
    for i, line in enumerate(lines):
        if line.startswith(f"local {name} = "):
            lines[i] = f"local {name} = {number}"
    return "\n".join(lines)
