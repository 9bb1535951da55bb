"""The last transitions of a job that are out of the ordinary, as lua/lib/transitions.lua keeps them.

A job that never fails and is never given back has none: nothing is written of a plain life. Names and classes are kept,
never what anybody wrote in words.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import msgspec

MOST_TRANSITIONS: Final = 5
"""Of one job, the last ones."""
LONGEST_NAME: Final = 36
"""Bytes that are kept of the name of a worker or a class."""


class Happened(StrEnum):
    """What has become of a job, once."""

    FAILED = "failed"
    """Its run failed; it is tried again."""
    LATER = "later"
    """Its handler asked for another run; nothing charged."""
    RETURNED = "returned"
    """Its run failed in a version on trial; nothing charged."""
    RELEASED = "released"
    """Given back by its worker, which was stopping or couldn't run it; nothing charged."""
    LEFT = "left"
    """Its worker's session ended in good order with the job in hand; nothing charged."""
    LOST = "lost"
    """Its worker died with it."""
    CANCELLING = "cancelling"
    """Its cancellation was asked for while it was leased."""
    DEAD = "dead"
    """Read of the dead letter as long as it is one."""
    REPLAYED = "replayed"


@dataclass(frozen=True)
class Transition:
    """One entry of a job's trail."""

    at_ms: int
    """Unix ms on the broker's clock."""
    what: Happened
    times: int
    """The attempts charged by then (failed, dead), crashes (lost) or replays (replayed); 0: nobody counts."""
    worker: str
    """The end of the name of the worker that ran it, up to 36 bytes; empty when it isn't known or none did."""
    error: str
    """The beginning of the class of the error, up to 36 characters; empty when there is none, or no name of a class."""


def death(at_ms: int, reason: str, attempts: int, worker: str) -> Transition:
    """Of a dead letter, as it will be kept when that is replayed."""
    error = reason[:LONGEST_NAME] if _CLASS.match(reason) else ""
    return Transition(at_ms, Happened.DEAD, attempts, worker.encode()[-LONGEST_NAME:].decode(errors="ignore"), error)


_CLASS = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*\Z")
_decode = msgspec.msgpack.Decoder(list[list[Any]]).decode


def decode_trail(packed: bytes | None) -> tuple[Transition, ...]:
    """A value of `trail`, oldest first. What can't be read, such as a newer release may write, is passed over."""
    if not packed:
        return ()
    try:
        entries = _decode(packed)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ()
    return tuple(transition for entry in entries if (transition := _transition(entry)) is not None)


def _transition(entry: list[Any]) -> Transition | None:
    try:
        return msgspec.convert(dict(zip(Transition.__dataclass_fields__, entry, strict=False)), Transition)
    except msgspec.ValidationError:
        return None
