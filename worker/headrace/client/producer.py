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

from headrace.client.durability import Assurance
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

    @property
    def stem(self) -> str:
        """What this process's ids begin with."""
        return self._stem

    def __call__(self) -> str:
        self._count += 1
        return f"{self._stem}-{self._count:x}"


new_id = IdMaker()
os.register_at_fork(after_in_child=new_id.renew)


@dataclass(frozen=True, slots=True)
class Entry:
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

    def fail(self, error: HeadraceError) -> None:
        if not self.done.done():
            self.done.set_exception(error)


def _share_room(batch: list[_Waiting], room: int) -> tuple[list[_Waiting], list[_Waiting]]:
    """Who goes in and who doesn't, in the order of their calls; never all of them, since all were just refused."""
    fits: list[_Waiting] = []
    refused: list[_Waiting] = []
    for waiting in batch:
        if len(waiting.entries) <= room:
            room -= len(waiting.entries)
            fits.append(waiting)
        else:
            refused.append(waiting)
    return fits, refused


class Producer:
    """One per queue and event loop."""

    def __init__(self, link: Link, queue: str, *, timeout: float = 10.0, assurance: Assurance | None = None) -> None:
        """`timeout`: seconds to go on trying while Redis can't be reached, or has not `assurance` of the jobs."""
        self._link = link
        self._assurance = assurance
        self._queue = queue
        self._prefix = prefix(queue)
        self._timeout = timeout
        self._name = secrets.token_hex(8)
        self._seq = 0
        self._waiting: deque[_Waiting] = deque()
        self._pump: asyncio.Task[None] | None = None

    async def enqueue(self, entries: list[Entry], *, wait_for_room: float = 0.0) -> set[str]:
        """Enqueue; returns the given ids that were already taken (nothing was enqueued for those).

        wait_for_room: seconds to go on trying while the queue is at its length limit, for each 1,000 jobs.
        Raises QueueUnavailableError when Redis gave no answer in time: the jobs may or may not be in the queue
        (enqueue again with ids of your own to be sure), QueueFullError when it refused: they are not; with an assurance
        NotDurableError: they are, but without it.
        """
        taken: set[str] = set()
        for start in range(0, len(entries), CHUNK):
            taken |= await self._submit_with_room(entries[start : start + CHUNK], wait_for_room)
        return taken

    async def _submit_with_room(self, entries: list[Entry], wait: float) -> set[str]:
        loop = asyncio.get_running_loop()
        give_up = loop.time() + wait
        pause = 0.02
        while True:
            try:
                return await self._submit(entries)
            except QueueFullError as error:
                left = give_up - loop.time()
                if error.limit is None or error.limit < len(entries) or left <= 0:
                    raise
                await asyncio.sleep(min(pause * (0.5 + random.random()), left))
                pause = min(pause * 2, 0.5)

    async def _submit(self, entries: list[Entry]) -> set[str]:
        done: asyncio.Future[set[str]] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(entries, done))
        if self._pump is None or self._pump.done():
            self._pump = asyncio.create_task(self._drain_waiting(), name="headrace-producer")
        return await done

    async def _drain_waiting(self) -> None:
        while self._waiting:
            batch = self._next_batch()
            while batch:
                batch = await self._deliver(batch)

    async def _deliver(self, batch: list[_Waiting]) -> list[_Waiting]:
        """Send what belongs to several callers; returns those who still fit when not all do."""
        fits: list[_Waiting] = []
        try:
            taken = await self._send([entry for waiting in batch for entry in waiting.entries])
        except QueueFullError as error:
            fits, refused = _share_room(batch, error.room or 0)
            for waiting in refused:
                waiting.fail(self._refusal(error, len(waiting.entries)))
        except HeadraceError as error:
            for waiting in batch:
                waiting.fail(error)
        else:
            for waiting in batch:
                if not waiting.done.done():
                    waiting.done.set_result({e.id for e in waiting.entries if e.id in taken} if taken else taken)
        return fits

    def _refusal(self, error: QueueFullError, jobs: int) -> QueueFullError:
        if error.limit is None:
            return error
        refused = "1 job was" if jobs == 1 else f"{jobs:,} jobs were"
        return QueueFullError(
            f"queue {self._queue} is full: {refused} refused, it takes {error.room:,} more "
            f"(its limit is {error.limit:,} waiting jobs)",
            limit=error.limit,
            room=error.room,
        )

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
                if self._assurance is None:
                    taken = await self._link.run("enqueue", self._prefix, *arguments)
                else:
                    taken = await self._assurance.enqueue(
                        self._link, self._prefix, self._name, arguments[1:], REMEMBER_MS
                    )
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
