"""One queue over one link: what every admin operation starts from."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Final, TypeVar

from headrace.contract.keys import check_queue_name, key, prefix
from headrace.contract.protocol import CHUNK
from headrace.wire.commands import Argument, Reply
from headrace.wire.link import Link

SCAN_SLICE: Final = 250
"""Ids looked at by one step of a scan: about a millisecond of the server's time."""

Rest = Callable[[float], Awaitable[None]]
"""Told how many seconds a step took; returns when the next may begin."""
T = TypeVar("T")


@dataclass(frozen=True)
class QueueHandle:
    """A queue's name checked, its keys and scripts at hand. Raises ConfigError for a wrong name."""

    link: Link
    queue: str
    rest: Rest | None = None
    """After each step, for who must not hurry."""

    def __post_init__(self) -> None:
        check_queue_name(self.queue)

    def key(self, name: str) -> str:
        """The full name of one of the queue's keys."""
        return key(self.queue, name)

    async def run(self, script: str, *args: Argument, timeout: float | None = None) -> Reply:
        """Run a script on the queue."""
        return await self._step(self.link.run(script, prefix(self.queue), *args, timeout=timeout))

    async def run_then(
        self, script: str, args: Sequence[Argument], then: Sequence[tuple[Argument, ...]]
    ) -> list[Reply]:
        """Run a script, then commands as `pipeline` takes them, in one round trip."""
        link = self.link
        step = link.run_then(script, prefix(self.queue), args, [self._keyed(c) for c in then], link.timeout)
        return await self._step(step)

    async def request(self, command: str, name: str, *args: Argument) -> Reply:
        """One command on one of the queue's keys."""
        return await self._step(self.link.request(command, self.key(name), *args))

    async def pipeline(self, commands: Sequence[tuple[Argument, ...]]) -> list[Reply]:
        """Commands in one round trip; the second element of each names one of the queue's keys."""
        return await self._step(self.link.pipeline([self._keyed(command) for command in commands]))

    async def scan_keys(self, cursor: Argument, pattern: str) -> tuple[bytes, list[bytes]]:
        """One step through the server's keys: the next cursor, and the full names that match `pattern`."""
        step = ("SCAN", cursor, "MATCH", pattern, "COUNT", CHUNK)
        found: tuple[bytes, list[bytes]] = await self._step(self.link.request(*step, at=pattern))
        return found

    async def _step(self, step: Awaitable[T]) -> T:
        began = monotonic()
        answer = await step
        if self.rest is not None:
            await self.rest(monotonic() - began)
        return answer

    def _keyed(self, command: tuple[Argument, ...]) -> tuple[Argument, ...]:
        return (command[0], self.key(str(command[1])), *command[2:])
