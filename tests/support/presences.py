"""What made-up workers say of themselves: one plain worker, and others by how they differ from it."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from headrace.contract.protocol import PROTOCOL
from headrace.contract.replies import Presence

PLAIN = Presence(worker="w", version="v1", slots=10, running=0, draining=False, protocol=PROTOCOL, started_ms=0)


def presence(worker: str, **said: Any) -> Presence:
    """An idle worker of version v1 that speaks our protocol; `said` are the fields of Presence that differ."""
    return replace(PLAIN, worker=worker, **said)
