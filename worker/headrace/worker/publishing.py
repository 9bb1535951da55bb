"""Tells Redis what this worker's tasks are: whose results are kept, the schemas of their arguments, and the limit key
of a task that has one for all its jobs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from headrace.contract.protocol import LIMIT_KEY_FIELD
from headrace.errors import HeadraceError
from headrace.worker.keeping import kept_results

if TYPE_CHECKING:
    from headrace.client.fleet import Fleet
    from headrace.client.task import Task
    from headrace.worker.consumer import Consumer
    from headrace.worker.log import Log


async def publish_keeps(fleet: Fleet, consumers: Sequence[Consumer], log: Log) -> None:
    """Before the first job runs: endings are told only of tasks whose results are known to be kept."""
    try:
        for consumer in consumers:
            keeps = kept_results(fleet.queues[consumer.queue].tasks.values())
            if any(keeps.values()):
                await consumer.broker.publish(consumer.queue, {}, keeps)
    except HeadraceError as error:  # told again with the schemas
        log.warning("could not publish which results are kept", error=str(error))


async def publish_tasks(fleet: Fleet, consumers: Sequence[Consumer], log: Log) -> None:
    """All of it, and a look at Redis's settings; may wait until the first look at the queue."""
    try:
        for warning in await consumers[0].broker.problems():
            log.warning(warning)
        for consumer in consumers:
            tasks = fleet.queues[consumer.queue].tasks.values()
            schemas = await asyncio.to_thread(_schemas, fleet, consumer.queue)
            await consumer.broker.publish(consumer.queue, schemas, kept_results(tasks))
    except HeadraceError as error:
        log.warning("could not publish the tasks' schemas", error=str(error))


def _schemas(fleet: Fleet, queue: str) -> dict[str, bytes]:
    tasks = fleet.queues[queue].tasks.values()
    return {task.name: msgspec.json.encode(_schema(task)) for task in tasks}


def _schema(task: Task[Any, Any]) -> dict[str, Any]:
    key = task.limit.constant if task.limit else None
    return task.arguments.json_schema() | ({} if key is None else {LIMIT_KEY_FIELD: key})
