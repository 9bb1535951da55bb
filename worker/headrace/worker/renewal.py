"""Keeps the sessions' leases alive from a thread and a connection of its own.

It survives a handler that blocks the event loop (`time.sleep`, a Python loop), up to `block_limit`; it does not survive
a C call that holds the GIL. It says nothing of jobs, only of sessions, so its cost does not grow with them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from headrace.contract.scripts import script
from headrace.errors import HeadraceError
from headrace.wire.blocking import BlockingConnection
from headrace.wire.connection import Argument, NoScriptError
from headrace.wire.target import Target
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
        target: Target,
        lease: float,
        block_limit: float,
        sessions: Callable[[], Sequence[Session]],
        report: Callable[[Sequence[Renewed]], None],
    ) -> None:
        self._target = target
        self._interval = min(lease / 3, LONGEST_INTERVAL)
        self._timeout = lease / 6
        self._block_limit = block_limit
        self._sessions = sessions
        self._report = report
        self._stopping = threading.Event()
        self._connection: BlockingConnection | None = None
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

    def _run(self) -> None:
        # At once: should the name or the login be gone a moment later, the connection is there as the lanes' are.
        self.renew_once()
        while not self._stopping.wait(self._interval if self.failures == 0 else self._interval / 4):
            self.renew_once()
        if self._connection:
            self._connection.close()

    def renew_once(self) -> None:
        """One round for all sessions; failures are counted and tried again sooner."""
        sessions = [session for session in self._sessions() if session.joined and not session.lost]
        if not sessions or self._loop_is_stuck(sessions[0]):
            return
        try:
            replies = self._ask(sessions)
        except HeadraceError:
            self.failures += 1
            self._connection = None
            return
        self.failures, self.last_success = 0, time.monotonic()
        self._report([_renewed(session, reply) for session, reply in zip(sessions, replies, strict=True)])

    def _loop_is_stuck(self, session: Session) -> bool:
        return time.monotonic() - session.pulse.loop_seen > self._block_limit

    def _ask(self, sessions: Sequence[Session]) -> list[list[bytes]]:
        if self._connection is None:
            self._connection = BlockingConnection(self._target, self._timeout, "headrace-renewal")
        renew = script("renew")
        commands: list[Sequence[Argument]] = [
            ("EVALSHA", renew.sha, 1, s.prefix, s.sid, s.lease_ms, s.pulse.presence()) for s in sessions
        ]
        try:
            return self._connection.pipeline(commands)
        except NoScriptError:
            self._connection.pipeline([("SCRIPT", "LOAD", renew.source)])
            return self._connection.pipeline(commands)


def _renewed(session: Session, reply: Sequence[object]) -> Renewed:
    status, _, leases, cancelled, cordoned = reply
    assert isinstance(leases, int)
    assert isinstance(cancelled, list)
    return Renewed(session, status == b"OK", leases, tuple(i.decode() for i in cancelled), cordoned == 1)
