"""How a job stands that somebody waits for: a closed set, read from outcomes.lua."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, assert_never

from headrace.client.returns import Returns
from headrace.contract.envelope import decode_dead_entry
from headrace.contract.keys import prefix
from headrace.contract.protocol import CANCELLED_MARK
from headrace.errors import JobCancelledError, JobDeadError, ResultGoneError
from headrace.wire.link import Link


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


async def read_endings(link: Link, queue: str, ids: Sequence[str]) -> list[Ending]:
    """How these jobs, at most 1,000, stand now. Raises QueueUnavailableError."""
    return [decode_ending(reply) for reply in await link.run("outcomes", prefix(queue), *ids)]


def value_of(ending: Ended, job_id: str, returns: Returns) -> Any:
    """What `job.result()` returns. Raises JobDeadError, JobCancelledError or ResultGoneError, or PayloadError."""
    match ending:
        case Kept(result):
            return returns.decode(result)
        case Died(reason, error, attempts):
            raise JobDeadError(job_id, reason, error, attempts)
        case CalledOff():
            raise JobCancelledError(f"job {job_id} was called off")
        case Gone():
            raise ResultGoneError(
                f"job {job_id} has ended, and no result of it is kept: its task keeps none, its time is up "
                "(result_ttl, result_keep), or no such job was ever enqueued"
            )
    assert_never(ending)
