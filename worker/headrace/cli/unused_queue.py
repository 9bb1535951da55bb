"""Says where a queue's name may be wrong: Redis has no list of queues, so one that nobody has used looks just empty."""

from __future__ import annotations

from collections.abc import Iterable

from headrace.admin.queue_admin import QueueAdmin
from headrace.cli.output import note
from headrace.contract.stats import QueueStats


def unused(said: QueueStats) -> str | None:
    """The line about a queue that nothing has ever used; None: something has."""
    return None if said.used else f"nothing has ever used queue {said.queue!r} in this Redis"


def unused_lines(read: Iterable[QueueStats]) -> list[str]:
    """The same of many queues, of those that it is true of."""
    return [line for line in map(unused, read) if line is not None]


async def note_unused(admin: QueueAdmin) -> None:
    """For verbs that have found nothing: one more question, and the line on stderr. No mistake: it may be new."""
    if (line := unused(await admin.stats())) is not None:
        note(line)
