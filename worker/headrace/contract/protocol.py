"""The protocol's version and the few numbers both sides must agree on."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

PROTOCOL: Final = 2
"""Version of the Lua scripts and of the envelope; a session states it when it joins."""

SKEW: Final = 1
"""Two parties on one queue may be so many protocols apart: N works beside N-1 (docs/decisions/0010)."""

CHUNK: Final = 1000
"""Most ids moved by one script call (Lua's `unpack` ends near 8,000)."""

CRASH_LIMIT: Final = 5
"""A job whose worker has died this many times under it is buried."""

SUSPECT_AFTER: Final = 2
"""A job that has seen this many crashes runs alone, so that it can't bury its neighbours."""

OWNERSHIP_MS: Final = 10 * 60 * 1000
"""How long a WorkerQueue's claim of a Redis queue holds unless it is repeated."""

TRIAL_MS: Final = 10 * 60 * 1000
"""How long versions stay on trial unless it is said again."""


LIMIT_KEY_FIELD: Final = "x-headrace-limit-key"
"""In the JSON Schema that workers publish of a task: the limit key of all its jobs, where it is one for all of them."""

CANCELLED_MARK: Final = b"\xc1"
"""What a kept result begins with when its job was called off; no value in msgpack does."""


class Priority(StrEnum):
    """A job's lane in its queue; claims are shared 6 : 3 : 1, so none starves."""

    HIGH = "high"
    DEFAULT = "default"
    LOW = "low"


class State(StrEnum):
    """Where a job id stands; exactly one at a time."""

    SCHEDULED = "scheduled"
    READY = "ready"
    LEASED = "leased"
    PARKED = "parked"
    AWAITING = "awaiting"
    """Waits for other jobs of its workflow."""
    DEAD = "dead"
    DONE = "done"
