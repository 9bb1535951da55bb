"""Enqueues of one block, collected and sent together at its end: `async with queue.batch():`.

Knows which queues it collects for and sends by their producers; what an enqueue says is the task's business.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextvars import ContextVar, Token
from types import TracebackType
from typing import TYPE_CHECKING, Any

from headrace.client.durability import Durability
from headrace.client.job import Job
from headrace.client.producer import Entry

if TYPE_CHECKING:
    from headrace.client.fleet import Fleet
    from headrace.client.queue import Queue
    from headrace.client.task import Task

collecting: ContextVar[Batch | None] = ContextVar("headrace_batch", default=None)
"""The innermost batch of the code that runs."""


class Batch:
    """Made by `queue.batch()` or `fleet.batch()`; one block each.

    What the block enqueues, in tasks that it starts too, is sent when it ends, 1,000 jobs a round trip; if it raises,
    nothing is. A batch inside another that collects for the same queues hands its jobs over to that one.
    """

    def __init__(self, fleet: Fleet, queue: Queue | None = None) -> None:
        self.jobs: list[Job] = []
        """In the order of the block. Their `created` is right once the block has ended."""
        self._fleet = fleet
        self._queue = queue
        self._entries: list[tuple[Queue, Durability | None, Entry]] = []
        self._open = True
        self._token: Token[Batch | None] | None = None

    def takes(self, queue: Queue) -> bool:
        """Whether this enqueue is to wait for the block's end."""
        return self._open and queue.fleet is self._fleet and self._queue in (None, queue)

    def add(self, task: Task[Any, Any], entries: Sequence[Entry], durability: Durability | None) -> list[Job]:
        """Collect; the jobs, which Redis does not know yet."""
        queue = task.queue
        jobs = [Job(entry.id, queue.name, True, queue.link, task) for entry in entries]
        self._entries += [(queue, durability, entry) for entry in entries]
        self.jobs += jobs
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
        if error is not None or not self._entries:
            return
        outer = collecting.get()
        if outer is not None and all(outer.takes(queue) for queue, _, _ in self._entries):
            outer.adopt(self)
            return
        await self._send()

    def adopt(self, inner: Batch) -> None:
        """Take over what another batch has collected; the same Job objects stand for it."""
        self._entries += inner._entries
        self.jobs += inner.jobs

    async def _send(self) -> None:
        together: dict[tuple[Queue, Durability | None], list[Entry]] = {}
        for queue, durability, entry in self._entries:
            together.setdefault((queue, durability), []).append(entry)
        sends = [
            queue.producer_of(durability).enqueue(entries, wait_for_room=self._fleet.wait_for_room)
            for (queue, durability), entries in together.items()
        ]
        answers = await asyncio.gather(*sends, return_exceptions=True)
        for (queue, _), answer in zip(together, answers, strict=True):
            if isinstance(answer, BaseException):
                raise answer
            for job in self.jobs:
                if job.queue == queue.name and job.id in answer:
                    job.existed()
