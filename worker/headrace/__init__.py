"""headrace: task functions, queues and the fleet that runs them.

    from headrace import Fleet

    fleet = Fleet()
    emails = fleet.queue("emails")

    @emails.task(max_retries=5, timeout=30)
    async def send(to: str, subject: str) -> None: ...

Names are imported on first use, so that a worker's start-up pays only for what it needs.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headrace.brokers.durability import Durability
    from headrace.client.depends import Depends
    from headrace.client.fleet import Fleet
    from headrace.client.job import Job
    from headrace.client.queue import Queue
    from headrace.client.steps import Step, chain, group
    from headrace.client.task import Task
    from headrace.client.workflow import Workflow
    from headrace.context import Context, current_context, current_contexts
    from headrace.contract.protocol import Priority, State
    from headrace.errors import (
        ConflictError,
        HeadraceError,
        JobCancelledError,
        JobDeadError,
        NotDurableError,
        PayloadError,
        QueueFullError,
        QueueUnavailableError,
        ResultError,
        ResultGoneError,
        ResultTimeoutError,
        UsageError,
    )
    from headrace.retry import Bury, RetryLater, RetryPolicy

_HOMES = {
    "Bury": "headrace.retry",
    "ConflictError": "headrace.errors",
    "Context": "headrace.context",
    "Durability": "headrace.brokers.durability",
    "Depends": "headrace.client.depends",
    "Fleet": "headrace.client.fleet",
    "HeadraceError": "headrace.errors",
    "Job": "headrace.client.job",
    "JobCancelledError": "headrace.errors",
    "JobDeadError": "headrace.errors",
    "NotDurableError": "headrace.errors",
    "PayloadError": "headrace.errors",
    "Priority": "headrace.contract.protocol",
    "Queue": "headrace.client.queue",
    "QueueFullError": "headrace.errors",
    "QueueUnavailableError": "headrace.errors",
    "ResultError": "headrace.errors",
    "ResultGoneError": "headrace.errors",
    "ResultTimeoutError": "headrace.errors",
    "RetryLater": "headrace.retry",
    "RetryPolicy": "headrace.retry",
    "State": "headrace.contract.protocol",
    "Step": "headrace.client.steps",
    "Task": "headrace.client.task",
    "UsageError": "headrace.errors",
    "Workflow": "headrace.client.workflow",
    "chain": "headrace.client.steps",
    "current_context": "headrace.context",
    "current_contexts": "headrace.context",
    "group": "headrace.client.steps",
}

__all__ = [
    "Bury",
    "ConflictError",
    "Context",
    "Depends",
    "Durability",
    "Fleet",
    "HeadraceError",
    "Job",
    "JobCancelledError",
    "JobDeadError",
    "NotDurableError",
    "PayloadError",
    "Priority",
    "Queue",
    "QueueFullError",
    "QueueUnavailableError",
    "ResultError",
    "ResultGoneError",
    "ResultTimeoutError",
    "RetryLater",
    "RetryPolicy",
    "State",
    "Step",
    "Task",
    "UsageError",
    "Workflow",
    "chain",
    "current_context",
    "current_contexts",
    "group",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'headrace' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
