"""Runs one job's handler here and now, as a worker would, without a queue."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, ParamSpec, TypeVar, overload

from headrace.brokers.memory.source import MemorySource
from headrace.client.codec import decode_arguments
from headrace.client.task import Task
from headrace.context import NO_META, Context, running
from headrace.contract.envelope import decode
from headrace.testing.parts import parts_of, settings_of
from headrace.worker.plan import compile_plans

P = ParamSpec("P")
R = TypeVar("R")
OPEN_TIMEOUT = 30.0
"""Seconds for the task's resources."""


@overload
async def run_inline(task: Task[P, Coroutine[Any, Any, R]], *args: P.args, **kwargs: P.kwargs) -> R: ...
@overload
async def run_inline(task: Task[P, R], *args: P.args, **kwargs: P.kwargs) -> R: ...
async def run_inline(task: Task[..., Any], *args: Any, **kwargs: Any) -> Any:
    """What the task returns for one job: the arguments go through its codec and its checks, its resources are opened
    (fleet.override holds), its middleware and its timeout are around it. Nothing is tried again and hooks are silent.

    Raises what the handler raises (TimeoutError after its timeout), and PayloadError for arguments or a result that
    would not pass. A handler that enqueues does so where its fleet is connected.
    """
    fleet, queue = task.queue.fleet, task.queue.name
    parts = parts_of(fleet, MemorySource(), settings_of({}))
    plan = compile_plans(fleet, queue, parts)[task.name]
    entry = task.entry(*args, **kwargs)
    envelope = decode(entry.value).envelope
    checked = plan.arguments.check(*decode_arguments(envelope.codec, envelope.payload))
    context = Context(
        job_id=entry.id,
        queue=queue,
        task=task.name,
        max_retries=plan.max_retries if envelope.max_retries is None else envelope.max_retries,
        worker_id=parts.settings.worker_id,
        correlation_id=envelope.correlation_id or entry.id,
        meta=envelope.meta or NO_META,
    )
    await parts.resources.open(list(task.needs.values()), patience=OPEN_TIMEOUT)
    token = running.set(context)
    try:
        async with asyncio.timeout(envelope.timeout or plan.timeout):
            result = await plan.call(context, *checked)
        if plan.keep is not None:
            plan.keep.done(result)
        return result
    finally:
        running.reset(token)
        parts.threads.stop()
        await parts.resources.close(patience=OPEN_TIMEOUT)
