"""What an application's code wants of its broker, refused at a worker's start or at the enqueue if it has not that."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from headrace.brokers.capabilities import Capabilities, Feature
from headrace.contract.entry import Entry
from headrace.contract.protocol import Priority

if TYPE_CHECKING:
    from headrace.client.queue import Queue
    from headrace.client.task import Task


def check_features(queue: Queue, capabilities: Capabilities) -> None:
    """What a queue's definitions want. Raises ConfigError for the first thing that the broker has not."""
    if queue.rate is not None:
        capabilities.require(Feature.LIMITS, f"queue {queue.name}: rate_limit")
    for name in queue.periodic:
        capabilities.require(Feature.PERIODIC, f"task {name}: its schedule")
    for task in queue.tasks.values():
        for feature, option in _wanted(task):
            capabilities.require(feature, f"task {task.name}: {option}")


def _wanted(task: Task[Any, Any]) -> Iterator[tuple[Feature, str]]:
    settings = task.settings
    if settings.retry.max_retries != 0:
        yield Feature.DELAYS, "max_retries"
    if task.limit is not None:
        yield Feature.LIMITS, "concurrency_limit or rate_limit"
    if settings.result_ttl:
        yield Feature.RESULTS, "result_ttl"
    if settings.process:
        yield Feature.PROCESSES, "process=True"


def check_entries(entries: Iterable[Entry], capabilities: Capabilities) -> None:
    """What enqueues want; asked only of brokers that lack something. Raises ConfigError."""
    for entry in entries:
        if not entry.plain:
            _check_entry(entry, capabilities)


def _check_entry(entry: Entry, capabilities: Capabilities) -> None:
    if entry.delay_ms or entry.at_ms:
        capabilities.require(Feature.DELAYS, "enqueue: delay or at")
    if entry.priority is not Priority.DEFAULT:
        capabilities.require(Feature.PRIORITIES, "enqueue: priority")
    if entry.flow is not None:
        capabilities.require(Feature.WORKFLOWS, "enqueue: a step of a workflow")
    mark = entry.mark
    if mark is not None and mark.fingerprint:
        capabilities.require(Feature.IDEMPOTENCY, "enqueue: idempotency_key")
    elif entry.given:
        capabilities.require(Feature.GIVEN_IDS, "enqueue: job_id")
    if mark is not None and mark.unique:
        capabilities.require(Feature.UNIQUE, "enqueue: unique")
    if mark is not None and mark.limit_key:
        capabilities.require(Feature.LIMITS, "enqueue: a task with limits")
