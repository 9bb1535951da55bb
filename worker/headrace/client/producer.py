"""Sends jobs to one queue: concurrent enqueues share a batch, one batch is in flight, a lost reply is asked for again.

The same (producer, seq) makes the script answer as before, so a retry after a lost reply enqueues nothing twice.
"""

from __future__ import annotations

import asyncio
import os
import random
import secrets
from collections import deque
from dataclasses import dataclass

import msgspec

from headrace.contract.envelope import lua_string
from headrace.contract.keys import prefix
from headrace.contract.protocol import CHUNK, Priority
from headrace.errors import HeadraceError, QueueFullError, QueueUnavailableError
from headrace.wire.link import Link

REMEMBER_MS = 24 * 3600 * 1000
"""How long a given job id stays taken, and a producer's last answer can be asked for again."""


class IdMaker:
    """Short ids, unique without asking anyone: 48 random bits per process, then a counter."""

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """A forked child must not go on with its parent's ids."""
        self._stem = secrets.token_hex(6)
        self._count = 0

    def __call__(self) -> str:
        self._count += 1
        return f"{self._stem}-{self._count:x}"


new_id = IdMaker()
os.register_at_fork(after_in_child=new_id.renew)


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One job to enqueue. `at_ms` is Unix ms on the Redis clock, `delay_ms` counts from the enqueue; 0 is now."""

    id: str
    value: bytes
    at_ms: int = 0
    delay_ms: int = 0
    priority: Priority = Priority.DEFAULT
    given: bool = False
    """The id was chosen by the caller: enqueue only if it is not taken."""

    @property
    def plain(self) -> bool:
        return not (self.at_ms or self.delay_ms or self.given) and self.priority is Priority.DEFAULT


@dataclass(slots=True)
class _Waiting:
    entries: list[Entry]
    done: asyncio.Future[set[str]]


class Producer:
    """One per queue and event loop."""

    def __init__(self, link: Link, queue: str, *, timeout: float = 10.0) -> None:
        """`timeout`: seconds to go on trying while Redis can't be reached."""
        self._link = link
        self._prefix = prefix(queue)
        self._timeout = timeout
        self._name = secrets.token_hex(8)
        self._seq = 0
        self._waiting: deque[_Waiting] = deque()
        self._pump: asyncio.Task[None] | None = None

    async def enqueue(self, entries: list[Entry]) -> set[str]:
        """Enqueue; returns the given ids that were already taken (nothing was enqueued for those).

        Raises QueueUnavailableError when Redis gave no answer in time: the jobs may or may not be in the queue
        (enqueue again with ids of your own to be sure), QueueFullError when it refused: they are not.
        """
        taken: set[str] = set()
        for start in range(0, len(entries), CHUNK):
            taken |= await self._submit(entries[start : start + CHUNK])
        return taken

    async def _submit(self, entries: list[Entry]) -> set[str]:
        done: asyncio.Future[set[str]] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(entries, done))
        if self._pump is None or self._pump.done():
            self._pump = asyncio.create_task(self._drain_waiting(), name="headrace-producer")
        return await done

    async def _drain_waiting(self) -> None:
        while self._waiting:
            batch = self._next_batch()
            try:
                taken = await self._send([entry for waiting in batch for entry in waiting.entries])
            except HeadraceError as error:
                for waiting in batch:
                    if not waiting.done.done():
                        waiting.done.set_exception(error)
            else:
                for waiting in batch:
                    if not waiting.done.done():
                        waiting.done.set_result({e.id for e in waiting.entries if e.id in taken} if taken else taken)

    def _next_batch(self) -> list[_Waiting]:
        batch = [self._waiting.popleft()]
        size = len(batch[0].entries)
        while self._waiting and size + len(self._waiting[0].entries) <= CHUNK:
            size += len(self._waiting[0].entries)
            batch.append(self._waiting.popleft())
        return batch

    async def _send(self, entries: list[Entry]) -> set[str]:
        self._seq += 1
        plain = [part for entry in entries if entry.plain for part in (entry.id, entry.value)]
        special = [
            (e.id, lua_string(e.value), e.at_ms, e.delay_ms, e.priority, e.given) for e in entries if not e.plain
        ]
        packed = msgspec.msgpack.encode(special) if special else b""
        arguments = (self._name, self._seq, REMEMBER_MS, len(plain) // 2, *plain, packed)
        loop = asyncio.get_running_loop()
        give_up = loop.time() + self._timeout
        pause = 0.02
        while True:
            try:
                taken = await self._link.run("enqueue", self._prefix, *arguments)
                return {name.decode() for name in taken}
            except QueueFullError:
                raise
            except QueueUnavailableError:
                if loop.time() + pause > give_up:
                    raise
            await asyncio.sleep(pause * (0.5 + random.random()))
            pause = min(pause * 2, 1.0)

    async def close(self) -> None:
        """Wait until what was handed over has been sent or has failed."""
        if self._pump is not None and not self._pump.done():
            await asyncio.wait({self._pump}, timeout=self._timeout)
