"""Puts jobs into chosen states through the scripts themselves, as a producer and a worker would."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from headrace.contract.envelope import DeathRecord, Envelope, encode, encode_death, header, lua_string
from headrace.contract.keys import key, prefix
from headrace.contract.replies import encode_presence
from headrace.wire.link import Link
from support.presences import presence


class Seeder:
    """One queue, one producer and one worker session `sid`."""

    def __init__(self, link: Link, queue: str = "q", sid: str = "s1") -> None:
        self.link = link
        self.queue = queue
        self.sid = sid
        self._seq = 0

    async def run(self, name: str, *args: Any) -> Any:
        return await self.link.run(name, prefix(self.queue), *args)

    async def raw(self, command: str, name: str, *args: Any) -> Any:
        """A command on one of the queue's keys, past all scripts."""
        return await self.link.request(command, key(self.queue, name), *args)

    async def join(self, *, worker: str = "pod-1", lease_ms: int = 30_000, **said: Any) -> None:
        """Also again, as a sign of life. `said`: see `presence`."""
        telling = presence(worker, **said)
        await self.run("join", self.sid, lease_ms, encode_presence(telling), telling.protocol)

    async def enqueue(
        self, *ids: str, task: str = "t", delay_ms: int = 0, priority: str = "default", payload: bytes = b""
    ) -> None:
        value = encode(header(task), Envelope(1700000000000, payload, correlation_id="c-1", meta={"tenant": "a"}))
        self._seq += 1
        jobs = [[job_id, lua_string(value), 0, delay_ms, priority, False] for job_id in ids]
        await self.run("enqueue", f"p-{self.sid}", self._seq, 60000, 0, msgspec.msgpack.encode(jobs))

    async def exchange(self, n: int, *others: Sequence[Any]) -> list[str]:
        """Settle `others` and claim up to n; the claimed ids. Each claim is `0.<seq>`."""
        reply = await self.ask(n, *others)
        assert reply[0] == b"OK", reply
        assert reply[3] == [], "some settlements were stale"
        return [job_id.decode() for job_id in reply[5]]

    async def ask(self, n: int, *others: Sequence[Any]) -> Any:
        """The exchange's reply as it comes, also one that refuses."""
        self._seq += 1
        packed = msgspec.msgpack.encode(others) if others else b""
        return await self.run("exchange", self.sid, "0", self._seq, n, "", "v1", 0, 0, packed)

    @property
    def claim(self) -> str:
        """The claim of the last exchange."""
        return f"0.{self._seq}"

    async def bury(self, *ids: str, task: str = "t", reason: str = "ValueError", traceback: str = "Trace") -> None:
        """Enqueue, claim and bury jobs of these ids. The queue must have nothing else ready."""
        await self.enqueue(*ids, task=task)
        claimed = await self.exchange(len(ids))
        assert set(claimed) == set(ids)
        record = lua_string(encode_death(DeathRecord(f"{reason}: boom", 3, 0, "pod-1", 0.5)))
        claim, fingerprint = self.claim, f"fp-{traceback}" if traceback else ""
        await self.exchange(0, *[["bury", i, claim, task, reason, record, fingerprint, traceback, 3] for i in ids])
