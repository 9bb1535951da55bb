"""A worker's session on one queue: the identity that leases belong to.

A sid is random per process and session. When the session is lost its sid is never used again.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from headrace.brokers.protocol import Broker, LeaseRenewal
from headrace.contract.protocol import PROTOCOL, SKEW
from headrace.contract.replies import Presence, encode_presence
from headrace.errors import ProtocolError


@dataclass
class Pulse:
    """What the renewal thread may read of the worker at any moment; plain attributes, written by the loop."""

    worker: str
    version: str
    slots: int
    running: int = 0
    draining: bool = False
    started_ms: int = field(default_factory=lambda: int(time.time() * 1000))
    loop_seen: float = field(default_factory=time.monotonic)
    """When the event loop last turned, monotonic seconds."""
    busy_since: float | None = None
    """When the oldest running handler began, monotonic seconds, as of the loop's last turn."""

    def presence(self) -> bytes:
        """What join and renew carry."""
        return encode_presence(
            Presence(
                worker=self.worker,
                version=self.version,
                slots=self.slots,
                running=self.running,
                draining=self.draining,
                protocol=PROTOCOL,
                started_ms=self.started_ms,
                busy_ms=self._busy_ms(),
            )
        )

    def _busy_ms(self) -> int:
        """A handler that blocks the loop before it was seen has done so since the loop last turned."""
        since = self.busy_since
        if since is None:
            if self.running <= 0:
                return 0
            since = self.loop_seen
        return max(0, round((time.monotonic() - since) * 1000))


class Session:
    """One sid. `lost` is set once, by whoever hears it first; `joined` once Redis knows it."""

    def __init__(
        self,
        queue: str,
        lease: float,
        pulse: Pulse,
        rules: bytes = b"",
        told: Callable[[str], bytes] = lambda _: b"",
    ) -> None:
        """rules: the limits that its claims keep to, packed by client/limits.py; told: what the jobs of a sid say of
        themselves, packed by worker/progress.py.
        """
        self.queue = queue
        self.lease_ms = round(lease * 1000)
        self.pulse = pulse
        self.rules = rules
        self.sid = secrets.token_hex(8)
        self.joined = False
        self.lost = False
        self.leases_seen = 0
        self._seq = 0
        self._told = told

    def next_seq(self) -> int:
        """Unique in this session, over both lanes."""
        self._seq += 1
        return self._seq

    def renewal(self) -> LeaseRenewal:
        """Its next sign of life. Called by the renewal thread."""
        return LeaseRenewal(self.queue, self.sid, self.lease_ms, self.pulse.presence(), self._told(self.sid))

    async def join(self, broker: Broker) -> None:
        """Make the session known. Raises QueueUnavailableError or ProtocolError."""
        answer = await broker.join(self.queue, self.sid, self.lease_ms, self.pulse.presence(), self.rules)
        match answer.status:
            case b"UPGRADE":
                raise ProtocolError(
                    f"queue {self.queue} takes protocol {answer.value} or newer, this worker speaks {PROTOCOL}; "
                    "upgrade headrace in the worker's image"
                )
            case b"AHEAD":
                raise ProtocolError(
                    f"queue {self.queue} has workers of protocol {answer.value}, this one speaks {PROTOCOL}; "
                    f"upgrade those to protocol {PROTOCOL - SKEW} first, or wait until they have ended"
                )
        self.joined = True

    async def leave(self, broker: Broker) -> int:
        """End it in peace; returns how many jobs were given back."""
        self.joined = False
        return await broker.leave(self.queue, self.sid)
