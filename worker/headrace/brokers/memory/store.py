"""All queues of one memory broker, who waits for work there, and who listens.

One lock: renewals come from a thread.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from headrace.brokers.memory.clock import Clock
from headrace.brokers.memory.state import QueueState
from headrace.contract.keys import key

Hear = Callable[[str, bytes], None]


class Store:
    """Its brokers share it, in any event loop and thread of the process."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._queues: dict[str, QueueState] = {}
        self._lock = threading.RLock()
        self._waiting: dict[str, list[tuple[asyncio.AbstractEventLoop, asyncio.Event]]] = {}
        self._ears: list[tuple[asyncio.AbstractEventLoop, Hear]] = []
        clock.on_move(self._moved)

    @contextmanager
    def queue(self, name: str) -> Iterator[QueueState]:
        """A call of a worker's or a producer's: it shows that they are there."""
        with self.aside(name) as state:
            yield state
            state.save_clock()

    @contextmanager
    def aside(self, name: str) -> Iterator[QueueState]:
        """One transition on a queue; who waits for what it has made possible is woken at its end."""
        with self._lock:
            state = self._queues.get(name)
            if state is None:
                state = self._queues[name] = QueueState(self.clock, partial(self._tell, name))
            state.read_clock()
            yield state
            if state.tokens:
                self._wake(name)

    def wait_on(self, name: str) -> asyncio.Event:
        """Set when there may be work; end with `leave_off`."""
        event = asyncio.Event()
        with self._lock:
            self._waiting.setdefault(name, []).append((asyncio.get_running_loop(), event))
            if (state := self._queues.get(name)) is not None and state.tokens:
                event.set()
        return event

    def leave_off(self, name: str, event: asyncio.Event) -> None:
        """Takes one token with it."""
        with self._lock:
            self._waiting[name] = [one for one in self._waiting[name] if one[1] is not event]
            if event.is_set() and (state := self._queues.get(name)) is not None and state.tokens:
                state.tokens -= 1

    def listen(self, hear: Hear) -> None:
        """Called in this event loop with each channel and message."""
        with self._lock:
            self._ears.append((asyncio.get_running_loop(), hear))

    def stop_listening(self, hear: Hear) -> None:
        """No more."""
        with self._lock:
            self._ears = [one for one in self._ears if one[1] is not hear]

    def _tell(self, queue: str, name: str, message: bytes) -> None:
        for loop, hear in self._ears:
            if not loop.is_closed():
                loop.call_soon_threadsafe(hear, key(queue, name), message)

    def _wake(self, name: str) -> None:
        for loop, event in self._waiting.get(name, ()):
            if not loop.is_closed():
                loop.call_soon_threadsafe(event.set)

    def _moved(self) -> None:
        """What was not due a moment ago may be now."""
        with self._lock:
            for name in self._waiting:
                self._wake(name)
