"""How far running jobs say they are: what a renewal carries of one session's jobs, and how it is kept and read.

It is kept with the session, under the claim of each job: whoever reads it looks at what the session holds, so that
nothing is seen of a job that has ended, or that another session has got since.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

MOST_CHARACTERS: Final = 200
"""Kept of a message."""
MOST_JOBS: Final = 1000
"""Of one session, those that spoke last."""


@dataclass(frozen=True)
class Progress:
    """What a running job has last said of itself."""

    fraction: float
    """0 to 1."""
    message: str
    """In its words; up to 200 characters."""
    at_ms: int
    """When it said so, Unix ms on the broker's clock, as exact as the round trip of a renewal."""


class Told(msgspec.Struct, frozen=True, array_like=True):
    """One job's part of a renewal. Append only, and what is appended has a default."""

    job_id: str
    claim: str
    fraction: float
    message: str
    age_ms: int
    """How long ago, when the renewal was sent."""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[Told, ...]).decode


def encode_told(told: Sequence[Told]) -> bytes:
    """What a renewal carries."""
    return _encode(told)


def kept_at(now_ms: int, told: bytes) -> bytes:
    """As renew.lua keeps it."""
    return b"%d %b" % (now_ms, told)


def decode_kept(kept: bytes | None) -> Mapping[tuple[str, str], Progress]:
    """Job id and claim → what it said; empty for what can't be read: nobody fails for the want of it."""
    if not kept:
        return {}
    now, _, told = kept.partition(b" ")
    try:
        return {
            (one.job_id, one.claim): Progress(one.fraction, one.message, int(now) - one.age_ms) for one in _decode(told)
        }
    except (ValueError, msgspec.MsgspecError):
        return {}
