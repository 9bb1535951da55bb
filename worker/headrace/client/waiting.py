"""Waits for jobs to end: a signal says which have, and only then is Redis asked for more.

One per fleet and event loop, with one connection of its own, opened when the first caller waits. A look every few
seconds is the backstop, for signals that were lost or that Redis's ACL refuses.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from typing import Final

import msgspec

from headrace.brokers.protocol import Broker
from headrace.client.producer import new_id
from headrace.contract.ending import Ended, Waiting
from headrace.contract.keys import key
from headrace.errors import QueueUnavailableError, ResultTimeoutError
from headrace.wire.channels import Channels, Joined
from headrace.wire.subscription import Lost, Message

BACKSTOP: Final = 5.0
"""Seconds between looks when nothing is heard …"""
AWAY: Final = 0.2
"""… and while Redis can't be reached."""
_MADE_HERE: Final = re.compile(r"([0-9a-fA-F]{12})-[0-9a-fA-F]+")
_decode: Final = msgspec.msgpack.Decoder(list[str]).decode
"""A message: id, task, 'done' | 'dead' | 'cancelled', and so on for each job."""


def jobs_told(message: bytes) -> list[tuple[str, str]]:
    """The id and the task of each job that a message says has ended; none for a message of somebody else's."""
    try:
        told = _decode(message)
    except msgspec.MsgspecError:
        return []
    return [(told[i], told[i + 1]) for i in range(0, len(told) - 2, 3)]


def channel_of(queue: str, job_id: str) -> str:
    """Where this job's end is told; the rule is that of lib/endings.lua."""
    made = _MADE_HERE.fullmatch(job_id)
    return key(queue, f"done:{made[1] if made else job_id}")


class Waiter:
    """Waits for any number of jobs at once."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._channels = Channels()
        self._signals: dict[str, dict[str, set[asyncio.Event]]] = {}
        """Channel → job id → who waits for it."""
        self._listener: asyncio.Task[None] | None = None

    async def wait(self, queue: str, job_id: str, timeout: float) -> Ended:
        """How the job has ended, at the latest `timeout` seconds from now.

        Raises ResultTimeoutError when it has not, QueueUnavailableError when Redis can't say so to the end.
        """
        loop = asyncio.get_running_loop()
        give_up = loop.time() + timeout
        # Listening comes before the look: a job that ends between them would be missed.
        with self._listening(channel_of(queue, job_id), job_id) as signal:
            while True:
                signal.clear()
                pause = BACKSTOP * (0.8 + 0.4 * random.random())
                try:
                    (ending,) = await self._broker.endings(queue, [job_id])
                except QueueUnavailableError:
                    if loop.time() >= give_up:
                        raise
                    pause = AWAY
                else:
                    if not isinstance(ending, Waiting):
                        return ending
                    if loop.time() >= give_up:
                        break
                await _set_within(signal, min(max(0.0, give_up - loop.time()), pause))
        raise ResultTimeoutError(f"job {job_id} of queue {queue} has not ended within {timeout:g} s; it goes on")

    @contextmanager
    def _listening(self, channel: str, job_id: str) -> Iterator[asyncio.Event]:
        """The event is set when the job has ended, and when the channel is (again) listened to: time for a look."""
        signal = asyncio.Event()
        waiting = self._signals.setdefault(channel, {})
        waiting.setdefault(job_id, set()).add(signal)
        self._channels.add(channel)
        if self._listener is None or self._listener.done():
            self._listener = asyncio.create_task(self._listen(), name="headrace-results")
        try:
            yield signal
        finally:
            waiting[job_id].discard(signal)
            if not waiting[job_id]:
                del waiting[job_id]
            if not waiting and not channel.endswith(new_id.stem):  # our own is wanted again soon
                self._signals.pop(channel, None)
                self._channels.discard(channel)

    async def _listen(self) -> None:
        async with aclosing(self._broker.follow(self._channels)) as heard:
            async for event in heard:
                match event:
                    case Joined(channel):
                        for waiting in self._signals.get(channel, {}).values():
                            _set_all(waiting)
                    case Message(channel, payload):
                        here = self._signals.get(channel, {})
                        for job_id, _ in jobs_told(payload):
                            _set_all(here.get(job_id, ()))
                    case Lost():
                        pass  # the backstop looks meanwhile

    async def close(self) -> None:
        """Stop listening."""
        if self._listener is not None:
            self._listener.cancel()
            await asyncio.wait({self._listener})


def own_channel(queue: str) -> str:
    """Where the ends of the jobs that this process enqueues without ids of their own are told."""
    return key(queue, f"done:{new_id.stem}")


def _set_all(signals: set[asyncio.Event] | tuple[()]) -> None:
    for signal in signals:
        signal.set()


async def _set_within(signal: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await signal.wait()
    except TimeoutError:
        pass
