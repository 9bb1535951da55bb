"""How much must be true of a job before its enqueue returns, and asking Redis whether it is.

WAIT and WAITAOF speak of what one connection has written, so they go over the connection that has enqueued. See
docs/guarantees.md for what each level survives.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any, Final, assert_never

from headrace.brokers.layout import Layout
from headrace.contract.keys import prefix
from headrace.errors import ConfigError, NotDurableError
from headrace.wire.commands import Argument, Reply
from headrace.wire.errors import ServerError
from headrace.wire.link import Link

STEP_MS: Final = 2000
"""How long Redis waits before it is asked again: longer than the second between two fsyncs."""
MOST_REPLICAS: Final = 100


class Durability(StrEnum):
    """Levels, each for itself."""

    ACCEPTED = "accepted"
    """In the primary's memory."""
    APPENDED = "appended"
    """In the primary's append-only file, after an fsync. Needs Redis 7.2 or Valkey with `appendonly yes`."""
    REPLICATED = "replicated"
    """In the memory of the primary and of some replicas."""


def check_replicas(replicas: int) -> int:
    """Raises ConfigError."""
    if not 1 <= replicas <= MOST_REPLICAS:
        raise ConfigError(f"replicas: must be 1 to {MOST_REPLICAS}, got {replicas}")
    return replicas


class Assurance:
    """Enqueues, and says whether the level was reached. Idempotent as the script is: the same call may be made again
    until it was, also after a failover, and also for a job id that was taken by an enqueue whose level was not reached.
    """

    def __init__(self, layout: Layout, level: Durability, replicas: int) -> None:
        """`level` is more than ACCEPTED; `replicas`: how many must have the job if it is REPLICATED."""
        self._layout = layout
        self._level = level
        self._replicas = replicas
        self._checked = False

    async def enqueue(
        self, link: Link, queue: str, producer: str, arguments: Sequence[Argument], keep_ms: int
    ) -> list[Any]:
        """enqueue.lua's answer. Raises NotDurableError, ConfigError (the server knows no such level: nothing was
        enqueued), or what `Link.run` raises.
        """
        await self._check(link, prefix(queue))
        # A repeated call writes nothing, and without a write there is nothing to wait for.
        touch = ("PEXPIRE", self._layout.key(queue, f"p:{producer}"), keep_ms)
        standing, _, reply = await link.run_then(
            self._layout.script("enqueue"),
            prefix(queue),
            (producer, *arguments),
            [touch, self._wait()],
            link.timeout,
        )
        if not self._reached(reply):
            await link.close()  # a primary that nobody follows may be one no more
            raise NotDurableError(
                f"the jobs are in the queue, but not {self._what()}: they may run, and a failover may lose them; "
                "enqueue them again with the same job ids to be sure"
            )
        found: list[Any] = standing
        return found

    async def _check(self, link: Link, at: str) -> None:
        if self._checked or self._level is not Durability.APPENDED:
            return
        try:
            await link.request("WAITAOF", 1, 0, 1, at=at)
        except ServerError as error:
            raise ConfigError(
                f"durability 'appended' needs Redis 7.2 or newer, or Valkey, with appendonly yes: {error}"
            ) from None
        self._checked = True

    def _wait(self) -> tuple[Argument, ...]:
        match self._level:
            case Durability.REPLICATED:
                return ("WAIT", self._replicas, STEP_MS)
            case Durability.APPENDED:
                return ("WAITAOF", 1, 0, STEP_MS)
            case Durability.ACCEPTED:
                raise AssertionError("nothing to wait for")
            case _:
                assert_never(self._level)

    def _reached(self, reply: Reply) -> bool:
        if self._level is Durability.APPENDED:
            return bool(reply[0] >= 1)
        return bool(reply >= self._replicas)

    def _what(self) -> str:
        if self._level is Durability.APPENDED:
            return "in the primary's append-only file"
        return f"on {self._replicas} replica{'s' * (self._replicas > 1)}"
