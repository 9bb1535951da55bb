"""Workers that only exist in Redis: sessions with the lease, age, protocol and jobs that a test chooses.

They speak through the real scripts, so that whoever reads the queue can't tell them from pods.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from headrace.contract.keys import prefix
from headrace.contract.protocol import PROTOCOL
from headrace.contract.replies import Presence, encode_presence
from headrace.wire.link import Link


class RefusedPresenceError(Exception):
    """The queue takes no worker like this one; the message is its answer."""


@dataclass(frozen=True, kw_only=True)
class FakeWorker:
    """What one session says of itself."""

    worker: str
    version: str = "none"
    sid: str = ""
    """Chosen from the worker's name if empty."""
    slots: int = 10
    running: int = 0
    draining: bool = False
    protocol: int = PROTOCOL
    age_seconds: float = 0
    """How long ago it says that it began."""
    lease_seconds: float = 30

    @property
    def session(self) -> str:
        """Its session's id."""
        return self.sid or f"fake-{self.worker}"

    def presence(self) -> bytes:
        """What join and renew carry."""
        return encode_presence(
            Presence(
                worker=self.worker,
                version=self.version,
                slots=self.slots,
                running=self.running,
                draining=self.draining,
                protocol=self.protocol,
                started_ms=int((time.time() - self.age_seconds) * 1000),
            )
        )


class Crowd:
    """Fake workers of one queue. They renew only when told to: a lease that nobody renews expires."""

    def __init__(self, link: Link, queue: str) -> None:
        self._link, self._prefix = link, prefix(queue)

    async def join(self, workers: Sequence[FakeWorker]) -> None:
        """Begin their sessions. Raises RefusedPresenceError, and QueueUnavailableError."""
        for worker in workers:
            lease = int(worker.lease_seconds * 1000)
            answer = await self._link.run(
                "join", self._prefix, worker.session, lease, worker.presence(), worker.protocol
            )
            if answer[0] != b"OK":
                raise RefusedPresenceError(f"{worker.worker}: {answer}")

    async def renew(self, workers: Sequence[FakeWorker]) -> None:
        """A sign of life from each; what they say of themselves may have changed."""
        for worker in workers:
            lease = int(worker.lease_seconds * 1000)
            await self._link.run("renew", self._prefix, worker.session, lease, worker.presence())

    async def leave(self, workers: Sequence[FakeWorker]) -> None:
        """End their sessions; their jobs go back."""
        for worker in workers:
            await self._link.run("leave", self._prefix, worker.session)


def crowd_of(count: int, seed: int, version: str = "none") -> list[FakeWorker]:
    """So many workers of mixed ages and leases, the same for the same seed."""
    draw = random.Random(seed)
    plain = FakeWorker(worker="fake", version=version)
    return [
        replace(
            plain, worker=f"fake-{number}", age_seconds=draw.uniform(0, 3600), lease_seconds=draw.choice((5, 30, 120))
        )
        for number in range(count)
    ]
