"""The way in: one object per queue that offers every operation, and one read over many queues.

What an operation needs is imported when it is first asked for: a command line asks for one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec

from headrace.admin.handle import QueueHandle
from headrace.contract.keys import prefix
from headrace.contract.replies import decode_stats
from headrace.contract.stats import QueueStats, WorkerPresence
from headrace.errors import HeadraceError, ProtocolError, QueueUnavailableError
from headrace.wire.commands import Reply
from headrace.wire.errors import ServerError, map_error
from headrace.wire.link import Link
from headrace.wire.target import Seeds

if TYPE_CHECKING:
    from headrace.admin.audit import Audit
    from headrace.admin.control import Control
    from headrace.admin.dead_letters import DeadLetters
    from headrace.admin.export import Exported
    from headrace.admin.jobs import Jobs
    from headrace.admin.published import Published
    from headrace.admin.replay import Replays
    from headrace.admin.schedules import Schedules
    from headrace.admin.selection import LetterFilter


class QueueAdmin:
    """Operations on one queue. Raises ConfigError for a wrong queue name."""

    def __init__(self, link: Link, queue: str) -> None:
        self._handle = QueueHandle(link, queue)
        self.queue = queue

    @cached_property
    def control(self) -> Control:
        """Pause, limit, cordon, owner; see control.py."""
        from headrace.admin.control import Control

        return Control(self._handle)

    @cached_property
    def jobs(self) -> Jobs:
        """Jobs in every state; see jobs.py."""
        from headrace.admin.jobs import Jobs

        return Jobs(self._handle)

    @cached_property
    def dead_letters(self) -> DeadLetters:
        """Pages, counts, deletion and edits; see dead_letters.py."""
        from headrace.admin.dead_letters import DeadLetters

        return DeadLetters(self._handle)

    @cached_property
    def replays(self) -> Replays:
        """Dead letters made ready again, and what would be; see replay.py."""
        from headrace.admin.replay import Replays

        return Replays(self._handle, self.dead_letters)

    @cached_property
    def published(self) -> Published:
        """What the queue's workers say of its tasks; see published.py."""
        from headrace.admin.published import Published

        return Published(self._handle)

    @cached_property
    def schedules(self) -> Schedules:
        """What has become of the ticks of Schedules; see schedules.py."""
        from headrace.admin.schedules import Schedules

        return Schedules(self._handle)

    @cached_property
    def audit(self) -> Audit:
        """Each job in exactly one state? See audit.py."""
        from headrace.admin.audit import Audit

        return Audit(self._handle)

    def export(self, said: LetterFilter | None = None, *, payloads: bool = False) -> AsyncIterator[Sequence[Exported]]:
        """All dead letters that are meant (None: all there are), a few at a time; see export.py."""
        from headrace.admin.export import export
        from headrace.admin.selection import EVERY_LETTER

        return export(self._handle, self.dead_letters, said or EVERY_LETTER, payloads=payloads)

    async def import_letters(self, letters: Sequence[list[Any]]) -> list[str]:
        """Dead letters from a file, in parts; see importing.py."""
        from headrace.admin.importing import bring_in

        return await bring_in(self._handle, letters)

    async def stats(self) -> QueueStats:
        """A consistent snapshot of the queue's numbers; also of a queue that nobody has used yet."""
        return decode_stats(self.queue, await self._handle.run("stats"))

    async def workers(self) -> tuple[WorkerPresence, ...]:
        """The live worker sessions."""
        return (await self.stats()).workers


async def stats_many(
    link: Link, queues: Sequence[str], *, primary_only: bool = False
) -> Mapping[str, QueueStats | HeadraceError]:
    """Snapshots of many queues in one round trip; a queue that can't be read gets its error, the others their numbers.

    `primary_only` refuses the numbers of a server that says it is a replica: they may be old.

    Raises QueueUnavailableError when there is no answer at all.
    """
    # A replica of a Cluster answers for no key: it sends the caller on.
    asks_role = primary_only and not isinstance(link.target.found_by, Seeds)
    replies = await link.run_each("stats", [prefix(queue) for queue in queues], ahead=[("ROLE",)] * asks_role)
    # A user without the right to ask for the role gets the numbers all the same.
    if asks_role and not isinstance(role := replies.pop(0), Exception) and role[0] != b"master":
        raise QueueUnavailableError("Redis can't serve now: it is a replica, whose numbers may be old")
    return {queue: _stats_or_error(queue, reply) for queue, reply in zip(queues, replies, strict=True)}


def _stats_or_error(queue: str, reply: Reply) -> QueueStats | HeadraceError:
    if isinstance(reply, Exception):
        return map_error(reply)
    try:
        return decode_stats(queue, reply)
    except ProtocolError as error:
        return error
    except (ValueError, TypeError, LookupError, msgspec.MsgspecError) as error:
        return ServerError(f"WRONGTYPE something else lies under the keys of queue {queue}: {error}")
