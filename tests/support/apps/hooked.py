"""Middleware on every level and every hook, each leaving a note; some of them fail when told to."""

from __future__ import annotations

import asyncio
from typing import Any

from headrace import Context, Fleet
from headrace.client.task import Middleware, Next
from support.apps.journal import note, recorded

fleet = Fleet()
jobs = fleet.queue("jobs")


def layer(name: str) -> Middleware:
    async def wrap(context: Context, call_next: Next) -> Any:
        note("layer", name=name, side="in", job=context.job_id)
        result = await call_next()
        note("layer", name=name, side="out", job=context.job_id)
        return result

    return wrap


fleet.middleware(layer("fleet-1"))
fleet.middleware(layer("fleet-2"))
jobs.middleware(layer("queue"))


@fleet.middleware
async def breaks(context: Context, call_next: Next) -> Any:
    if context.meta.get("break") == "middleware":
        raise RuntimeError("the middleware broke")
    if context.meta.get("break") == "skip":
        return None
    return await call_next()


@fleet.on_start
async def started() -> None:
    note("hook", name="on_start")


@fleet.on_shutdown
async def shut_down() -> None:
    note("hook", name="on_shutdown")
    raise RuntimeError("too late to matter")


@fleet.on_job_start
async def job_start(context: Context) -> None:
    await _hook("on_job_start", context)


@fleet.on_job_complete
async def job_complete(context: Context) -> None:
    await _hook("on_job_complete", context)


@fleet.on_job_error
async def job_error(context: Context, error: BaseException) -> None:
    await _hook("on_job_error", context, error=type(error).__name__)


@fleet.on_retry
async def retry(context: Context, error: BaseException, delay: float) -> None:
    await _hook("on_retry", context, error=type(error).__name__, delay=delay)


@fleet.on_dead
async def dead(context: Context, error: BaseException, reason: str) -> None:
    await _hook("on_dead", context, error=type(error).__name__, reason=reason)


async def _hook(name: str, context: Context, **more: Any) -> None:
    note("hook", name=name, job=context.job_id, **more)
    match context.meta.get(name):
        case "exception":
            raise RuntimeError("the hook broke")
        case "exit":
            raise SystemExit(4)
        case "cancelled":
            raise asyncio.CancelledError
        case "slow":
            await asyncio.sleep(1.5)


@jobs.task(middleware=(layer("task"),), max_retries=1, retry_base=0.05, retry_jitter=False)
async def work(outcome: str) -> None:
    with recorded():
        note("layer", name="handler", side="in")
        if outcome == "fail":
            raise ValueError("as told")
        if outcome == "hang":
            await asyncio.sleep(20)
