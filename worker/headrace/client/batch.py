"""Enqueues of one block, collected and sent together at its end: `async with queue.batch():`.

Knows which queues it collects for and sends by their producers; what an enqueue says is the task's business.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextvars import ContextVar, Token
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple

from headrace.brokers.durability import Durability
from headrace.client.job import Job
from headrace.client.uniqueness import conflict
from headrace.contract.entry import Entry, Standing
from headrace.errors import ConflictError

if TYPE_CHECKING:
    from headrace.client.fleet import Fleet
    from headrace.client.queue import Queue
    from headrace.client.task import Task

collecting: ContextVar[Batch | None] = ContextVar("headrace_batch", default=None)
"""The innermost batch of the code that runs."""


class _Collected(NamedTuple):
    task: Task[Any, Any]
    durability: Durability | None
    wait_for_room: float
    entry: Entry
    job: Job


class Batch:
    """Made by `queue.batch()` or `fleet.batch()`; one block each.

    What the block enqueues, in tasks that it starts too, is sent when it ends, 1,000 jobs a round trip; if it raises,
    nothing is. A batch inside another that collects for the same queues hands its jobs over to that one.
    """

    def __init__(self, fleet: Fleet, queue: Queue | None = None) -> None:
        self._fleet = fleet
        self._queue = queue
        self._collected: list[_Collected] = []
        self._open = True
        self._token: Token[Batch | None] | None = None

    @property
    def jobs(self) -> list[Job]:
        """In the order of the block. Their `id` and `created` are right once the block has ended."""
        return [one.job for one in self._collected]

    def takes(self, queue: Queue) -> bool:
        """Whether this enqueue is to wait for the block's end."""
        return self._open and queue.fleet is self._fleet and self._queue in (None, queue)

    def add(
        self, task: Task[Any, Any], entries: Sequence[Entry], durability: Durability | None, wait_for_room: float
    ) -> list[Job]:
        """Collect; the jobs, which Redis does not know yet."""
        jobs = [Job(entry.id, task.queue.name, True, task.queue.broker, task) for entry in entries]
        self._collected += [
            _Collected(task, durability, wait_for_room, entry, job) for entry, job in zip(entries, jobs, strict=True)
        ]
        return jobs

    async def __aenter__(self) -> Batch:
        self._token = collecting.set(self)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Send. Raises what `enqueue` raises: then some jobs may be in their queues, 1,000 of a queue at a time."""
        if self._token is not None:
            collecting.reset(self._token)
        self._open = False
        if error is not None or not self._collected:
            return
        outer = collecting.get()
        if outer is not None and all(outer.takes(one.task.queue) for one in self._collected):
            outer.adopt(self)
            return
        await self._send()

    def adopt(self, inner: Batch) -> None:
        """Take over what another batch has collected; the same Job objects stand for it."""
        self._collected += inner._collected

    async def _send(self) -> None:
        together: dict[tuple[Queue, Durability | None, float], list[_Collected]] = {}
        for one in self._collected:
            together.setdefault((one.task.queue, one.durability, one.wait_for_room), []).append(one)
        sends = [
            queue.producer_of(durability).enqueue([one.entry for one in ones], wait_for_room=wait_for_room)
            for (queue, durability, wait_for_room), ones in together.items()
        ]
        answers = await asyncio.gather(*sends, return_exceptions=True)
        errors: list[BaseException] = []
        for ones, answer in zip(together.values(), answers, strict=True):
            if isinstance(answer, BaseException):
                errors.append(answer)
            else:
                errors += _note_standing(ones, answer)
        if errors:
            raise errors[0]


def _note_standing(ones: Sequence[_Collected], standing: Mapping[int, Standing]) -> list[ConflictError]:
    for place, first in standing.items():
        ones[place].job.stands_for(first.id)
    return [conflict(ones[place].task.name, first.id) for place, first in standing.items() if first.conflict]
