"""Reads dead letters with all that is kept of them, a few at a time: for an export of any number of them.

Payloads only for who asks for them: whatever is done with the rest can't let them out.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from headrace.admin.dead_letters import DeadLetterDetail, DeadLetters, detail_of, read_letters
from headrace.admin.handle import QueueHandle
from headrace.admin.paging import Scored
from headrace.admin.selection import EVERY_LETTER, LetterFilter
from headrace.admin.sieve import AT_ONCE
from headrace.contract.envelope import Stored, UnreadableEnvelope, decode, decode_dead_entry


@dataclass(frozen=True)
class Exported:
    """One dead letter."""

    detail: DeadLetterDetail
    stored: Stored | None = None
    """Its arguments and what else a producer said; None when they were not asked for or can't be read."""
    priority: str | None = None
    """None: the default."""


async def export(
    handle: QueueHandle, dead_letters: DeadLetters, said: LetterFilter = EVERY_LETTER, *, payloads: bool = False
) -> AsyncIterator[Sequence[Exported]]:
    """The letters that are dead now, oldest first, at most AT_ONCE a part; not those gone before they are read."""
    async for found in dead_letters.sift(said, await dead_letters.range_now(said), at_once=AT_ONCE):
        yield await _details(handle, [one for one in found if one.entry is not None], payloads)


async def _details(handle: QueueHandle, found: Sequence[Scored], payloads: bool) -> list[Exported]:
    if not found:
        return []
    fingerprints = [decode_dead_entry(one.entry or b"")[1] for one in found]
    distinct = sorted({name for name in fingerprints if name})
    ids = [one.id for one in found]
    reads: list[tuple[str, ...]] = [("HMGET", "jobs", *ids), ("HMGET", "prio", *ids)]
    if distinct:
        reads.append(("HMGET", "tb", *distinct))
    values, priorities, *tracebacks = await handle.pipeline(reads)
    known = dict(zip(distinct, tracebacks[0] if tracebacks else (), strict=True))
    return [
        _exported(detail_of(letter, known.get(name), value), value if payloads else None, priority)
        for letter, name, value, priority in zip(read_letters(found), fingerprints, values, priorities, strict=True)
    ]


def _exported(detail: DeadLetterDetail, value: bytes | None, priority: bytes | None) -> Exported:
    try:
        return Exported(detail, decode(value or b""), priority.decode() if priority else None)
    except UnreadableEnvelope:
        return Exported(detail)
