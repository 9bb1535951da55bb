"""Compiles each task, once, into the one coroutine function that runs it: middleware around the handler."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headrace.client.arguments import Arguments
from headrace.client.depends import Need
from headrace.client.fleet import Fleet
from headrace.client.task import Handler, Middleware, Task
from headrace.context import Context
from headrace.retry import RetryPolicy
from headrace.worker.gathering import Gatherer
from headrace.worker.keeping import Keep, PassOn
from headrace.worker.metrics import TaskMetrics
from headrace.worker.parts import Parts
from headrace.worker.processes import Processes
from headrace.worker.resources import Resources
from headrace.worker.threads import Threads

Call = Callable[[Context, Sequence[Any], Mapping[str, Any]], Awaitable[Any]]


BATCH_SLACK = 1.0
"""Seconds: the call that jobs share has its own limit; theirs is the net below it."""


@dataclass(frozen=True)
class Plan:
    """How to run the jobs of one task."""

    name: str
    call: Call
    arguments: Arguments
    retry: RetryPolicy
    max_retries: int
    timeout: float
    keep: Keep | None
    """How results are kept; None: not at all."""
    pass_on: PassOn
    counts: TaskMetrics
    children: Processes | None
    """Where its handler runs, if in a child process."""


def compile_plans(fleet: Fleet, queue: str, parts: Parts) -> dict[str, Plan]:
    """The plans of one queue, by task name. Order of middleware: fleet's, queue's, task's, handler."""
    plans = {}
    for task in fleet.queues[queue].tasks.values():
        own = task.settings.retry.max_retries
        layers = (*fleet.middlewares, *fleet.queues[queue].middlewares, *task.middleware)
        plans[task.name] = Plan(
            name=task.name,
            call=_wrap(layers, _base(task, parts)),
            arguments=task.arguments,
            retry=task.settings.retry.with_defaults(parts.settings.retry_base, parts.settings.retry_cap),
            max_retries=parts.settings.max_retries if own is None else own,
            timeout=task.settings.timeout + (task.settings.batch_wait + BATCH_SLACK if task.settings.batch else 0),
            keep=Keep.of(task),
            pass_on=PassOn(task.name, fleet.max_payload),
            counts=parts.metrics.of(queue, task.name),
            children=parts.processes if task.settings.process and parts.children else None,
        )
    return plans


def _base(task: Task[Any, Any], parts: Parts) -> Call:
    settings = task.settings
    if settings.process and parts.children:
        return parts.processes.run
    call = _with_resources(_call(task.handler, parts.threads), task.needs, parts.resources)
    if settings.batch:
        most = min(settings.batch, parts.slots.total)  # more are never here at the same time
        return Gatherer(call, most=most, wait=settings.batch_wait, timeout=settings.timeout).run
    return call


def _with_resources(call: Call, needs: Mapping[str, Need], resources: Resources) -> Call:
    """A task that needs nothing pays nothing; a process handler's resources are its child's matter."""
    if not needs:
        return call
    if all(need.scope == "worker" for need in needs.values()):
        return lambda context, args, kwargs: call(context, args, {**kwargs, **resources.shared(needs)})
    return lambda context, args, kwargs: resources.run(needs, lambda values: call(context, args, {**kwargs, **values}))


def _call(handler: Handler, threads: Threads) -> Call:
    if inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(getattr(handler, "__call__", None)):  # noqa: B004
        return lambda _, args, kwargs: handler(*args, **kwargs)
    return lambda _, args, kwargs: threads.run(handler, args, kwargs)


def _wrap(layers: Sequence[Middleware], base: Call) -> Call:
    call = base
    for middleware in reversed(layers):
        call = _layer(middleware, call)
    return call


def _layer(middleware: Middleware, inner: Call) -> Call:
    def call(context: Context, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Awaitable[Any]:
        return middleware(context, lambda: inner(context, args, kwargs))

    return call
