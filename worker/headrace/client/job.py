"""A handle on one enqueued job: where it stands, what came of it, and how to call it off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from headrace.brokers.capabilities import Feature
from headrace.contract.progress import Progress
from headrace.contract.protocol import State
from headrace.errors import ConfigError

if TYPE_CHECKING:
    from headrace.brokers.protocol import Broker
    from headrace.client.task import Task


@dataclass(frozen=True)
class Job:
    """Returned by `enqueue`. Holds no state of its own; each question goes to Redis."""

    id: str
    queue: str
    created: bool
    """False: its id, idempotency key or unique key was taken; this is the first job, and nothing was added."""
    _broker: Broker
    _task: Task[Any, Any] | None = None
    """What its arguments and its result are like."""

    def stands_for(self, first: str) -> None:
        """A batch has learnt that another job keeps this one out: the one thing that may still change, at the end of
        its block.
        """
        object.__setattr__(self, "id", first)
        object.__setattr__(self, "created", False)

    async def state(self) -> State:
        """Where the job stands now. A finished job is forgotten, so an unknown id is `done`.

        Raises QueueUnavailableError.
        """
        return await self._broker.state(self.queue, self.id)

    async def progress(self) -> Progress | None:
        """What its handler has last said of itself by `Context.progress`; None unless it runs and has said something.

        Raises QueueUnavailableError; ConfigError where the broker keeps no progress.
        """
        self._broker.capabilities.require(Feature.PROGRESS, "job.progress()")
        return await self._broker.progress(self.queue, self.id)

    async def cancel(self) -> bool:
        """Call it off: at once when it waits, by cancelling its handler when it runs (within about two seconds).

        False when it has already ended, done or dead; that is final. Raises QueueUnavailableError.
        """
        self._broker.capabilities.require(Feature.CANCEL, "job.cancel()")
        ttl = self._task.settings.result_ttl if self._task else 0.0
        answer = await self._broker.cancel(self.queue, self.id, round(ttl * 1000) or None)
        return answer in ("cancelled", "cancelling")

    async def result(self, timeout: float = 60.0) -> Any:
        """What the handler returned, as soon as the job has ended, within `timeout` seconds.

        Raises JobDeadError (with its reason), JobCancelledError, ResultGoneError (kept no longer, or never),
        ResultTimeoutError (it has not ended), QueueUnavailableError; ConfigError when its task keeps no results.
        """
        if self._task is None or not self._task.settings.result_ttl:
            name = f"task {self._task.name}" if self._task else "the task of this job"
            raise ConfigError(f"{name} keeps no results; give it @queue.task(result_ttl=SECONDS)")
        self._broker.capabilities.require(Feature.RESULTS, "job.result()")
        from headrace.client.ending import value_of

        ending = await self._task.queue.fleet.waiter.wait(self.queue, self.id, timeout)
        return value_of(ending, self.id, self._task.returns)
