"""Keeps the sessions' leases alive from a thread and a connection of its own.

It survives a handler that blocks the event loop (`time.sleep`, a Python loop), up to `block_limit`; it does not survive
a C call that holds the GIL. It speaks of sessions; of jobs it takes along what they say of their progress, if any does.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from headrace.brokers.protocol import Source
from headrace.errors import HeadraceError
from headrace.worker.session import Session

LONGEST_INTERVAL = 2.0
"""Seconds; also how soon a running job hears of its cancellation."""


@dataclass(frozen=True)
class Renewed:
    """What Redis said of one session."""

    session: Session
    live: bool
    leases: int
    cancelled: tuple[str, ...]
    cordoned: bool


class Renewal:
    """Start once, stop once. `report` and `blocked` are called in the thread."""

    def __init__(
        self,
        source: Source,
        lease: float,
        block_limit: float,
        sessions: Callable[[], Sequence[Session]],
        report: Callable[[Sequence[Renewed]], None],
    ) -> None:
        self._interval = min(lease / 3, LONGEST_INTERVAL)
        self._timeout = lease / 6
        self._block_limit = block_limit
        self._sessions = sessions
        self._report = report
        self._stopping = threading.Event()
        self._renewer = source.renewer("headrace-renewal", self._timeout)
        self._thread = threading.Thread(target=self._run, name="headrace-renewal", daemon=True)
        self.failures = 0
        """Renewals in a row that failed."""
        self.last_success = 0.0
        """Monotonic seconds."""

    def start(self) -> None:
        """Begin renewing."""
        self._thread.start()

    def stop(self) -> None:
        """End within one network timeout."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(self._timeout + 1)

    def close(self) -> None:
        """Let go of the connections of `renew_once`, where the thread was never started."""
        self._renewer.close()

    def _run(self) -> None:
        # At once: should the name or the login be gone a moment later, the connection is there as the lanes' are.
        self.renew_once()
        while not self._stopping.wait(self._interval if self.failures == 0 else self._interval / 4):
            self.renew_once()
        self._renewer.close()

    def renew_once(self) -> None:
        """One round for all sessions; a failure of any is counted, and all are tried again sooner."""
        sessions = [session for session in self._sessions() if session.joined and not session.lost]
        if not sessions or self._loop_is_stuck(sessions[0]):
            return
        replies = self._renewer.renew([session.renewal() for session in sessions])
        if any(isinstance(reply, HeadraceError) for reply in replies):
            self.failures += 1
        else:
            self.failures, self.last_success = 0, time.monotonic()
        self._report(
            [
                Renewed(session, reply.live, reply.leases, tuple(i.decode() for i in reply.cancelled), reply.cordoned)
                for session, reply in zip(sessions, replies, strict=True)
                if not isinstance(reply, HeadraceError)
            ]
        )

    def _loop_is_stuck(self, session: Session) -> bool:
        return time.monotonic() - session.pulse.loop_seen > self._block_limit
