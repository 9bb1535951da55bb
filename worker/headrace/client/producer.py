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

from headrace.brokers.protocol import Broker
from headrace.client.features import check_entries
from headrace.contract.entry import Entry, Standing
from headrace.contract.protocol import CHUNK
from headrace.errors import HeadraceError, ProtocolError, QueueFullError, QueueUnavailableError

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


@dataclass(slots=True)
class _Waiting:
    entries: list[Entry]
    done: asyncio.Future[dict[int, Standing]]

    def fail(self, error: Exception) -> None:
        if not self.done.done():
            self.done.set_exception(error)


def _answer(batch: list[_Waiting], standing: dict[int, Standing]) -> None:
    start = 0
    for waiting in batch:
        end = start + len(waiting.entries)
        if not waiting.done.done():
            own = standing and {place - start: first for place, first in standing.items() if start <= place < end}
            waiting.done.set_result(own)
        start = end


def _same_for_all(error: Exception, batch: list[_Waiting]) -> bool:
    """False: one caller's mark was refused, or could not be sent; or some may need no room, since their keys are taken.
    Then each goes for himself, so that the others' jobs go in.
    """
    if isinstance(error, QueueFullError):
        return all(entry.plain for waiting in batch for entry in waiting.entries)
    return isinstance(error, HeadraceError) and not isinstance(error, ProtocolError)


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

    def __init__(self, broker: Broker, queue: str, *, timeout: float = 10.0) -> None:
        """`timeout`: seconds to go on trying while the broker can't be reached, or has not the assurance asked for."""
        self._broker = broker
        self._lacking = broker.capabilities.lacking
        self._queue = queue
        self._timeout = timeout
        self._name = secrets.token_hex(8)
        self._seq = 0
        self._waiting: deque[_Waiting] = deque()
        self._pump: asyncio.Task[None] | None = None
        self._one_by_one = 0
        """How many of the next are sent alone."""

    async def enqueue(self, entries: list[Entry], *, wait_for_room: float = 0.0) -> dict[int, Standing]:
        """Enqueue; returns, by their place in `entries`, those for which nothing was enqueued.

        wait_for_room: seconds to go on trying while the queue is at its length limit, for each 1,000 jobs.
        Raises, for each 1,000 jobs, ProtocolError when an entry has a mark and a worker of the queue is too old for it,
        QueueFullError when Redis or the queue is full: nothing was enqueued. QueueUnavailableError when it gave no
        answer in time: the jobs may or may not be in the queue (enqueue again with ids of your own to be sure); with an
        assurance NotDurableError: they are, but without it.
        """
        if self._lacking:
            check_entries(entries, self._broker.capabilities)
        standing: dict[int, Standing] = {}
        for start in range(0, len(entries), CHUNK):
            found = await self._submit_with_room(entries[start : start + CHUNK], wait_for_room)
            standing.update((start + place, first) for place, first in found.items())
        return standing

    async def enqueue_together(self, entries: list[Entry], *, wait_for_room: float = 0.0) -> None:
        """Enqueue in one step, however many they are: all or none. Raises what `enqueue` raises."""
        await self._submit_with_room(entries, wait_for_room)

    async def _submit_with_room(self, entries: list[Entry], wait: float) -> dict[int, Standing]:
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

    async def _submit(self, entries: list[Entry]) -> dict[int, Standing]:
        done: asyncio.Future[dict[int, Standing]] = asyncio.get_running_loop().create_future()
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
            standing = await self._send([entry for waiting in batch for entry in waiting.entries])
        except Exception as error:
            if len(batch) > 1 and not _same_for_all(error, batch):
                self._waiting.extendleft(reversed(batch))
                self._one_by_one = len(batch)
            elif isinstance(error, QueueFullError):
                fits, refused = _share_room(batch, error.room or 0)
                for waiting in refused:
                    waiting.fail(self._refusal(error, len(waiting.entries)))
            else:
                for waiting in batch:
                    waiting.fail(error)
        else:
            _answer(batch, standing)
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
        if self._one_by_one:
            self._one_by_one -= 1
            return batch
        size = len(batch[0].entries)
        while self._waiting and size + len(self._waiting[0].entries) <= CHUNK:
            size += len(self._waiting[0].entries)
            batch.append(self._waiting.popleft())
        return batch

    async def _send(self, entries: list[Entry]) -> dict[int, Standing]:
        self._seq += 1
        loop = asyncio.get_running_loop()
        give_up = loop.time() + self._timeout
        pause = 0.02
        while True:
            try:
                return await self._broker.enqueue(self._queue, self._name, self._seq, REMEMBER_MS, entries)
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
