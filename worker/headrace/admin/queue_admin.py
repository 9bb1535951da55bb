"""The way in: one object per queue that offers every operation, and one read over many queues."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence

import msgspec

from headrace.admin.audit import Audit
from headrace.admin.control import Control
from headrace.admin.dead_letters import DeadLetters
from headrace.admin.export import Exported, export
from headrace.admin.handle import QueueHandle
from headrace.admin.jobs import Jobs
from headrace.admin.published import Published
from headrace.admin.replay import Replays
from headrace.admin.schedules import Schedules
from headrace.contract.keys import prefix
from headrace.contract.replies import decode_stats
from headrace.contract.stats import QueueStats, WorkerPresence
from headrace.errors import HeadraceError, ProtocolError, QueueUnavailableError
from headrace.wire.connection import Reply, ServerError, map_error
from headrace.wire.link import Link
from headrace.wire.target import Seeds


class QueueAdmin:
    """Operations on one queue. Raises ConfigError for a wrong queue name."""

    def __init__(self, link: Link, queue: str) -> None:
        self._handle = QueueHandle(link, queue)
        self.queue = queue
        self.control = Control(self._handle)
        self.jobs = Jobs(self._handle)
        self.dead_letters = DeadLetters(self._handle)
        self.replays = Replays(self._handle, self.dead_letters)
        self.published = Published(self._handle)
        self.schedules = Schedules(self._handle)
        self.audit = Audit(self._handle)

    def export(
        self, *, task: str | None = None, reason: str | None = None, payloads: bool = False
    ) -> AsyncIterator[Sequence[Exported]]:
        """All dead letters of that task and reason (None: any), a few at a time; see export.py."""
        return export(self._handle, self.dead_letters, task=task, reason=reason, payloads=payloads)

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
