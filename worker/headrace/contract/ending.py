"""How a job stands that somebody waits for: a closed set, and how outcomes.lua says it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from headrace.contract.envelope import decode_dead_entry
from headrace.contract.protocol import CANCELLED_MARK


@dataclass(frozen=True)
class Waiting:
    """It waits or runs."""


@dataclass(frozen=True)
class Kept:
    """It is done, and this is its result in msgpack."""

    result: bytes


@dataclass(frozen=True)
class Died:
    """It is a dead letter."""

    reason: str
    error: str
    attempts: int


@dataclass(frozen=True)
class CalledOff:
    """It was cancelled."""


@dataclass(frozen=True)
class Gone:
    """It has ended (or never was), and nothing of it is kept."""


Ended = Kept | Died | CalledOff | Gone
Ending = Waiting | Ended
WAITING: Final = Waiting()


def decode_ending(reply: Sequence[bytes]) -> Ending:
    """One entry of the reply of outcomes.lua."""
    match list(reply):
        case [b"waiting"]:
            return WAITING
        case [b"kept", result]:
            return CalledOff() if result.startswith(CANCELLED_MARK) else Kept(result)
        case [b"dead", entry]:
            if not entry:
                return Died("Unknown", "its record was lost", 0)
            facet, _, record = decode_dead_entry(entry)
            return Died(facet.partition("|")[2], record.error, record.attempts)
        case _:
            return Gone()
