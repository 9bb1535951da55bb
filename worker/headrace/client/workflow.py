"""Sends a workflow to its queue, and the handle on what was sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Generic, TypeVar

from headrace.brokers.durability import Durability
from headrace.client.batch import collecting
from headrace.client.flow_plan import FlowPlan, PlannedJob, Shape, plan_workflow
from headrace.client.job import Job
from headrace.client.producer import new_id
from headrace.client.queue import Queue
from headrace.client.steps import Signature, Step
from headrace.context import running
from headrace.contract.entry import Entry
from headrace.errors import ConfigError

R = TypeVar("R")


@dataclass(frozen=True)
class Workflow(Generic[R]):
    """Returned by `enqueue` of a step. Holds no state of its own; each question goes to Redis."""

    id: str
    """Correlation id of all its jobs that were given none."""
    jobs: tuple[Job, ...]
    """In the order in which the steps were written."""
    _ends: Shape = field(repr=False)
    _by_id: Mapping[str, Job] = field(repr=False)

    async def result(self, timeout: float = 60.0) -> R:
        """The result of the last step, or for a group the list of its members' results, within `timeout` seconds.

        Raises what `Job.result` raises for any of these jobs. A dead letter of an earlier step ends nothing: it may be
        replayed, so this goes on waiting.
        """
        found: R = await self._result_of(self._ends, monotonic() + timeout)
        return found

    async def _result_of(self, shape: Shape, give_up: float) -> Any:
        if isinstance(shape, PlannedJob):
            return await self._by_id[shape.id].result(max(give_up - monotonic(), 0.001))
        return [await self._result_of(one, give_up) for one in shape]

    async def cancel(self) -> int:
        """Call off every job that has not ended; says how many. Those that run are stopped, dead letters stay.

        From the last to the first, so that nothing begins meanwhile. Raises QueueUnavailableError.
        """
        called_off = 0
        for job in reversed(self.jobs):
            called_off += await job.cancel()
        return called_off


async def send(step: Step[R]) -> Workflow[R]:
    """Enqueue all jobs of a workflow in one step. Raises what Step.enqueue raises."""
    calls = list(step.calls())
    queue = calls[0].task.queue
    batch = collecting.get()
    if batch is not None and batch.takes(queue):
        raise ConfigError("a workflow is enqueued as a whole: do it outside of the block of a batch")
    durability, wait = _durability(calls), _longest_wait(calls, queue)
    plan = plan_workflow(step, new_id, queue.fleet.max_payload)
    if (tracing := queue.fleet.tracing) is None:
        await _send(queue, durability, wait, _entries(plan, None))
    else:
        with tracing.sending(queue.name, calls[0].task.name) as sent:
            sent.jobs([job.id for job in plan.jobs])
            await _send(queue, durability, wait, _entries(plan, sent.carrier))
    jobs = tuple(job.call.task.job(job.id) for job in plan.jobs)
    return Workflow(_correlation_id(plan), jobs, plan.ends, {job.id: job for job in jobs})


async def _send(queue: Queue, durability: Durability | None, wait: float, entries: list[Entry]) -> None:
    await queue.producer_of(durability).enqueue_together(entries, wait_for_room=wait)


def _correlation_id(plan: FlowPlan) -> str:
    parent = running.get()
    return parent.correlation_id if parent else plan.jobs[0].id


def _entries(plan: FlowPlan, carrier: Mapping[str, str] | None) -> list[Entry]:
    correlation_id = _correlation_id(plan)
    return [
        job.call.task.step_entry(
            job.call.args,
            job.call.kwargs,
            job_id=job.id,
            place=job.place(() if n else plan.gates),
            takes=job.takes,
            wanted=job.wanted,
            correlation_id=correlation_id,
            carrier=carrier,
        )
        for n, job in enumerate(plan.jobs)
    ]


def _durability(calls: Iterable[Signature[Any]]) -> Durability | None:
    """What the steps' options say of their common enqueue; None: nothing. Raises ConfigError."""
    said = {call.task.chosen.durability for call in calls} - {None}
    if len(said) > 1:
        raise ConfigError("a workflow is enqueued as a whole: its steps must not ask for different durability")
    return next(iter(said), None)


def _longest_wait(calls: Iterable[Signature[Any]], queue: Queue) -> float:
    said = [call.task.chosen.wait_for_room for call in calls]
    return max((wait for wait in said if wait is not None), default=queue.fleet.wait_for_room)
