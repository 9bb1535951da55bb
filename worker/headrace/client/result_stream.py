"""Results as they come: `async with queue.results() as results: async for result in results`.

Signals go into a bounded buffer, and values are read only for what is taken out of it, so a slow reader costs what its
buffer holds. What the buffer had no room for is dropped and counted, or makes the stream stop listening for a while.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import aclosing, suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from headrace.brokers.capabilities import Feature
from headrace.choice import member_of
from headrace.client.returns import decode_plain
from headrace.client.waiting import jobs_told, own_channel
from headrace.contract.ending import CalledOff, Died, Ending, Gone, Kept, Waiting
from headrace.contract.keys import key
from headrace.errors import ConfigError, HeadraceError, PayloadError, QueueUnavailableError
from headrace.wire.channels import Channels, Joined
from headrace.wire.errors import ServerError
from headrace.wire.subscription import Lost, Message

if TYPE_CHECKING:
    from headrace.client.queue import Queue

READ_AT_ONCE: Final = 100
"""Most values that one round trip reads."""
JOIN_TIMEOUT: Final = 10.0
"""Seconds until the stream must be listening."""


class OnFull(StrEnum):
    """What becomes of a result that comes when the buffer is full."""

    DROP_OLDEST = "drop_oldest"
    DROP_NEWEST = "drop_newest"
    BLOCK = "block"
    """Stop listening until there is room. What comes meanwhile waits in Redis's output buffer, whose own limit
    (client-output-buffer-limit pubsub) may close the connection: a gap."""


class Ended(StrEnum):
    """How a job ended."""

    DONE = "done"
    DEAD = "dead"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class Result:
    """One job that has ended."""

    job_id: str
    task: str
    ended: Ended
    value: Any = None
    """What the handler returned, when `ended` is done."""
    reason: str = ""
    """Of a dead letter …"""
    error: str = ""
    """… and its last error."""


class ResultStream:
    """Made by `queue.results()`; listens inside `async with`."""

    def __init__(self, queue: Queue, *, task: str | None, own: bool, buffer: int, on_full: OnFull | str) -> None:
        if buffer < 1:
            raise ConfigError(f"results: buffer must be 1 or more, got {buffer}")
        self.dropped = 0
        """Results that were not handed out: the buffer was full, or their value had expired before it was read."""
        self.gaps = 0
        """Times that the connection was lost; what ended meanwhile was not seen."""
        self._queue = queue
        self._task = task
        self._channel = own_channel(queue.name) if own else key(queue.name, "done:*")
        self._most = buffer
        self._on_full = member_of(OnFull, on_full, "results: on_full")
        self._told: deque[tuple[str, str]] = deque()
        self._read: deque[Result] = deque()
        self._changed = asyncio.Condition()
        self._joined = asyncio.Event()
        self._failed: HeadraceError | None = None
        self._listener: asyncio.Task[None] | None = None

    async def __aenter__(self) -> ResultStream:
        """Listening from here on. Raises QueueUnavailableError, or ServerError when Redis refuses the subscription."""
        self._queue.broker.capabilities.require(Feature.RESULTS, "queue.results()")
        self._listener = asyncio.create_task(self._listen(), name="headrace-result-stream")
        try:
            async with asyncio.timeout(JOIN_TIMEOUT):
                await self._joined.wait()
            if self._failed:
                raise self._failed
        except BaseException as error:
            await self.__aexit__()
            if isinstance(error, TimeoutError):
                raise QueueUnavailableError(f"could not listen for results within {JOIN_TIMEOUT:g} s") from None
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._listener is not None:
            self._listener.cancel()
            await asyncio.wait({self._listener})

    def __aiter__(self) -> ResultStream:
        return self

    async def __anext__(self) -> Result:
        """The next result, however long it takes. Raises QueueUnavailableError when its value can't be read."""
        while not self._read:
            async with self._changed:
                await self._changed.wait_for(lambda: self._told or self._failed)
                if self._failed and not self._told:
                    raise self._failed
                batch = [self._told.popleft() for _ in range(min(READ_AT_ONCE, len(self._told)))]
                self._changed.notify_all()
            try:
                endings = await self._queue.broker.endings(self._queue.name, [job_id for job_id, _ in batch])
            except BaseException:
                self._put_back(batch)
                raise
            for (job_id, task), ending in zip(batch, endings, strict=True):
                result = self._result(job_id, task, ending)
                if result is None:
                    self.dropped += 1
                else:
                    self._read.append(result)
        return self._read.popleft()

    def _put_back(self, batch: list[tuple[str, str]]) -> None:
        """Not read after all; what came meanwhile may leave no room for all of it."""
        self._told.extendleft(reversed(batch))
        if self._on_full is not OnFull.BLOCK:
            while len(self._told) > self._most:
                self._told.popleft()
                self.dropped += 1

    def _result(self, job_id: str, task: str, ending: Ending) -> Result | None:
        match ending:
            case Kept(result):
                return Result(job_id, task, Ended.DONE, self._value(task, result))
            case Died(reason, error):
                return Result(job_id, task, Ended.DEAD, reason=reason, error=error)
            case CalledOff():
                return Result(job_id, task, Ended.CANCELLED)
            case Waiting() | Gone():  # replayed meanwhile, or expired
                return None

    def _value(self, task: str, result: bytes) -> Any:
        """Of the task's own type where it is known here and the value fits; another version may return another."""
        known = self._queue.tasks.get(task)
        if known is not None:
            with suppress(PayloadError):
                return known.returns.decode(result)
        return decode_plain(result)

    async def _listen(self) -> None:
        async with aclosing(self._queue.broker.follow(Channels([self._channel]))) as heard:
            async for event in heard:
                match event:
                    case Joined():
                        self._joined.set()
                    case Message(payload=payload):
                        await self._take(jobs_told(payload))
                    case Lost(error):
                        self.gaps += self._joined.is_set()
                        if isinstance(error, ServerError):
                            await self._fail(error)
                            return

    async def _fail(self, error: HeadraceError) -> None:
        async with self._changed:
            self._failed = error
            self._joined.set()
            self._changed.notify_all()

    async def _take(self, told: list[tuple[str, str]]) -> None:
        async with self._changed:
            for one in told:
                if self._task not in (None, one[1]):
                    continue
                if len(self._told) >= self._most and not await self._make_room():
                    continue
                self._told.append(one)
            self._changed.notify_all()

    async def _make_room(self) -> bool:
        """False: this one is not taken."""
        match self._on_full:
            case OnFull.DROP_NEWEST:
                self.dropped += 1
                return False
            case OnFull.DROP_OLDEST:
                self.dropped += 1
                self._told.popleft()
            case OnFull.BLOCK:
                self._changed.notify_all()
                await self._changed.wait_for(lambda: len(self._told) < self._most)
        return True
