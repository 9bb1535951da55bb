"""Audits the queues of one Redis, one after another, again and again and gently. Only reads, and changes nothing.

Keeps what the last whole audit of each queue came to, and says in the log when that changes.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from headrace.admin.audit import Audit
from headrace.errors import HeadraceError
from headrace_operator.core.auditing import confirmed, next_turn, rest_after

log = logging.getLogger(__name__)

_LOOK_AGAIN: Final = 1.0
"""Longest time until a queue that is new here is noticed, seconds."""


@dataclass(frozen=True)
class Audited:
    """What is known of one queue by audits."""

    found: Mapping[str, int]
    """Kind of finding → how many the last whole audit saw, each of them twice."""
    ended: float
    """When that audit ended, Unix seconds."""
    ids: int
    """Looked at by all whole audits of this process."""


class Audits:
    """`run` until cancelled."""

    def __init__(
        self, where: str, audit_of: Callable[[str], Audit], readable: Callable[[], Iterable[str]], every: float
    ) -> None:
        """`where`: the server's name for the log. `readable`: the queues whose numbers are known now, so that neither a
        server that is away is asked, nor a queue whose structures are beyond this release. `every`: seconds.
        """
        self._where = where
        self._audit_of = audit_of
        self._readable = readable
        self._every = every
        self._begun: dict[str, float] = {}
        self._known: dict[str, Audited] = {}

    def of(self, queue: str) -> Audited | None:
        """None before the first whole audit."""
        return self._known.get(queue)

    def forget(self, queue: str) -> None:
        """It is no longer read."""
        self._begun.pop(queue, None)
        self._known.pop(queue, None)

    async def run(self) -> None:
        """Audit whatever is due."""
        while True:
            begun = {queue: self._begun.get(queue) for queue in self._readable()}
            turn = next_turn(begun, time.monotonic(), self._every)
            if turn.queue is None or turn.seconds > 0:
                await asyncio.sleep(min(turn.seconds, _LOOK_AGAIN))
                continue
            self._begun[turn.queue] = time.monotonic()
            try:
                await self._audit(turn.queue)
            except HeadraceError as error:
                log.info("queue %s of %s: its audit was broken off: %s", turn.queue, self._where, error)
            except Exception:
                log.exception("queue %s of %s: its audit failed", turn.queue, self._where)

    async def _audit(self, queue: str) -> None:
        """Raises HeadraceErrors."""
        audit = self._audit_of(queue)
        report = await audit.run(rest=_rest)
        found: Mapping[str, int] = {}
        ids = report.ids
        if report.counts:
            second = await audit.run(rest=_rest)
            found, ids = confirmed(report, second), ids + second.ids
        if queue not in self._begun:
            return  # forgotten meanwhile
        before = self._known.get(queue)
        self._known[queue] = Audited(found, time.time(), ids + (before.ids if before else 0))
        self._tell(queue, before.found if before else {}, found)

    def _tell(self, queue: str, before: Mapping[str, int], found: Mapping[str, int]) -> None:
        if found.keys() == before.keys():
            return
        if not found:
            log.info("queue %s of %s: its audit finds nothing wrong any more", queue, self._where)
            return
        seen = ", ".join(f"{count} {kind}" for kind, count in found.items())
        log.warning("queue %s of %s: its audit found %s; see `headrace audit %s`", queue, self._where, seen, queue)


async def _rest(took: float) -> None:
    await asyncio.sleep(rest_after(took).seconds)
