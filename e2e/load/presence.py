"""Workers that only exist in Redis: sessions with the lease, age, protocol and jobs that a test chooses.

They speak through the real scripts, so that whoever reads the queue can't tell them from pods.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from headrace.contract.keys import prefix
from headrace.contract.replies import Presence, encode_presence
from headrace.wire.link import Link
from support.presences import presence

LEASES = (5.0, 30.0, 120.0)
"""Seconds."""
OLDEST = 3600.0
"""Seconds that the oldest of a crowd has lived for, at most."""


class RefusedPresenceError(Exception):
    """The queue takes no worker like this one; the message is its answer."""


@dataclass(frozen=True)
class FakeWorker:
    """One session."""

    says: Presence
    """What join and renew carry."""
    lease_seconds: float = 30

    @property
    def session(self) -> str:
        """Its session's id."""
        return f"fake-{self.says.worker}"


class Crowd:
    """Fake workers of one queue. They renew only when told to: a lease that nobody renews expires."""

    def __init__(self, link: Link, queue: str) -> None:
        self._link, self._prefix = link, prefix(queue)

    async def join(self, workers: Iterable[FakeWorker]) -> None:
        """Begin their sessions. Raises RefusedPresenceError, and QueueUnavailableError."""
        for worker in workers:
            answer = await self._link.run("join", self._prefix, *_told(worker), worker.says.protocol)
            if answer[0] != b"OK":
                raise RefusedPresenceError(f"{worker.says.worker}: {answer}")

    async def renew(self, workers: Iterable[FakeWorker]) -> None:
        """A sign of life from each; what they say of themselves may have changed."""
        for worker in workers:
            await self._link.run("renew", self._prefix, *_told(worker))

    async def leave(self, workers: Iterable[FakeWorker]) -> None:
        """End their sessions; their jobs go back."""
        for worker in workers:
            await self._link.run("leave", self._prefix, worker.session)


def _told(worker: FakeWorker) -> tuple[str, int, bytes]:
    return worker.session, int(worker.lease_seconds * 1000), encode_presence(worker.says)


def crowd_of(
    names: Iterable[str], seed: int, *, leases: Sequence[float] = LEASES, version: str = "v1"
) -> list[FakeWorker]:
    """Workers of these names, of mixed ages and leases, the same for the same seed."""
    draw = random.Random(seed)
    now = time.time()
    return [
        FakeWorker(
            says=presence(name, version=version, started_ms=round((now - draw.uniform(0, OLDEST)) * 1000)),
            lease_seconds=draw.choice(leases),
        )
        for name in names
    ]
