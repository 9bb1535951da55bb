"""Verbs about jobs: jobs, show, cancel."""

from __future__ import annotations

from typing import Any

import msgspec

from headrace.admin.explain import explain
from headrace.admin.job_view import JobView
from headrace.admin.jobs import CancelOutcome, JobPage
from headrace.admin.queue_admin import QueueAdmin
from headrace.admin.transition_words import describe
from headrace.cli.output import Cell, Format, Printer, note, time_of
from headrace.cli.session import ask_queue
from headrace.cli.unused_queue import note_unused
from headrace.client.codec import decode_arguments
from headrace.contract.progress import Progress
from headrace.contract.protocol import State
from headrace.errors import JobNotFoundError, PayloadError, UsageError

LISTED = (State.LEASED, State.READY, State.SCHEDULED, State.PARKED, State.AWAITING, State.DEAD)


def jobs(queue: str, *, state: State | None, limit: int, cursor: str | None, redis_url: str, output: Format) -> None:
    """In the order of LISTED. Raises UsageError."""
    if cursor is not None and state is None:
        raise UsageError("--cursor: name the --state that it belongs to")
    page = ask_queue(redis_url, queue, lambda admin: _list(admin, state, cursor, limit))
    data = {"jobs": [_job_json(view) for view in page.jobs], "cursor": page.cursor}
    columns = ("ID", "STATE", "TASK", "ATTEMPTS", "CRASHES", "SINCE", "DUE", "WORKER", "REASON")
    printer = Printer(output)
    printer.rows(columns, [_job_row(view) for view in page.jobs], data)
    if page.cursor is not None and not printer.structured:
        note(f"there are more: --cursor {page.cursor}")


async def _list(admin: QueueAdmin, state: State | None, cursor: str | None, limit: int) -> JobPage:
    if state is not None:
        page = await admin.jobs.page(state, cursor=cursor, limit=limit)
        if not page.jobs:
            await note_unused(admin)
        return page
    found: tuple[JobView, ...] = ()
    for each in LISTED:
        if len(found) < limit:
            found += (await admin.jobs.page(each, limit=limit - len(found))).jobs
    if not found:
        await note_unused(admin)
    return JobPage(found, None)


def _job_row(view: JobView) -> list[Cell]:
    return [
        *(view.id, view.state, view.task, view.attempts, view.crashes),
        *(time_of(view.since_ms), time_of(view.due_ms), view.holder, view.reason),
    ]


def _job_json(view: JobView) -> dict[str, Any]:
    return {name: value for name, value in vars(view).items() if name not in ("payload", "codec", "transitions")}


def show(queue: str, job_id: str, *, payload: bool, redis_url: str, output: Format) -> None:
    """With why it is or isn't running. Raises JobNotFoundError."""
    view, why = ask_queue(redis_url, queue, lambda admin: _look(admin, job_id, payload))
    data = {**_job_json(view), "transitions": view.transitions, "why": why}
    shown: dict[str, Cell] = {"id": view.id, "queue": view.queue, "state": view.state, "why": why, "task": view.task}
    shown |= {
        "priority": view.priority,
        "attempts": view.attempts,
        "crashes": view.crashes,
        "replays": view.replays,
        "since": time_of(view.since_ms),
        "due": time_of(view.due_ms),
        "worker": view.holder,
        "session": view.holder_sid,
        "progress": _progress(view.progress),
        "cancel requested": view.cancel_requested or None,
        "limit key": view.limit.key if view.limit else None,
        "unique key": view.unique,
        "reason": view.reason,
        "error": view.error,
        "enqueued": time_of(view.enqueued_ms),
        "correlation id": view.correlation_id,
    }
    shown |= {f"meta {name}": value for name, value in view.meta.items()}
    shown |= {
        f"transition {place}": f"{time_of(one.at_ms)} {describe(one)}" for place, one in enumerate(view.transitions, 1)
    }
    if payload:
        data["args"], data["kwargs"] = _arguments(view)
        shown |= {name: msgspec.json.encode(data[name]).decode() for name in ("args", "kwargs")}
    Printer(output).record(shown, data)


def _progress(progress: Progress | None) -> str | None:
    if progress is None:
        return None
    said = f"{progress.fraction:.0%} at {time_of(progress.at_ms)}"
    return f"{said}: {progress.message}" if progress.message else said


async def _look(admin: QueueAdmin, job_id: str, payload: bool) -> tuple[JobView, str]:
    view = await admin.jobs.locate(job_id, with_payload=payload)
    return view, explain(view, await admin.stats())


def _arguments(view: JobView) -> tuple[Any, Any]:
    if view.payload is None or view.codec is None:
        return None, None
    try:
        return decode_arguments(view.codec, view.payload)
    except PayloadError as error:
        note(f"{view.id}: {error}")
        return None, None


def cancel(queue: str, job_id: str, redis_url: str, output: Format) -> None:
    """At once when it waits, by its worker when it runs. Raises UsageError, JobNotFoundError."""
    outcome = ask_queue(redis_url, queue, lambda admin: admin.jobs.cancel(job_id))
    match outcome:
        case CancelOutcome.CANCELLED:
            said = f"{job_id} is cancelled"
        case CancelOutcome.CANCELLING:
            said = f"{job_id} runs; its worker was told to stop it"
        case CancelOutcome.DEAD:
            raise UsageError(f"{job_id} is a dead letter; to drop it: headrace dlq delete {queue} --id {job_id}")
        case CancelOutcome.UNKNOWN:
            raise JobNotFoundError(f"no job {job_id!r} waits or runs in queue {queue!r}")
    Printer(output).say(said, {"id": job_id, "outcome": outcome})
