"""Verbs about jobs: enqueue, jobs, show, cancel."""

from __future__ import annotations

import time
from typing import Annotated, Any

import msgspec
import typer

from headrace.admin.explain import explain
from headrace.admin.job_view import JobView
from headrace.admin.jobs import CancelOutcome, JobPage
from headrace.admin.published import check_arguments
from headrace.admin.queue_admin import QueueAdmin
from headrace.admin.transition_words import describe
from headrace.brokers.durability import Durability
from headrace.cli import options
from headrace.cli.options import DEFAULT_URL
from headrace.cli.output import Cell, Format, Printer, note, time_of
from headrace.cli.session import with_link, with_queue
from headrace.client.codec import MAX_PAYLOAD, codec_named, decode_arguments, encode_arguments
from headrace.client.producer import Producer, new_id
from headrace.contract.entry import Entry
from headrace.contract.envelope import Envelope, encode, header
from headrace.contract.keys import check_queue_name
from headrace.contract.progress import Progress
from headrace.contract.protocol import Priority, State
from headrace.errors import JobNotFoundError, PayloadError, UsageError
from headrace.wire.link import Link

LISTED = (State.LEASED, State.READY, State.SCHEDULED, State.PARKED, State.AWAITING, State.DEAD)


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    app.command()(enqueue)
    app.command()(jobs)
    app.command()(show)
    app.command()(cancel)


def enqueue(
    queue: options.Queue,
    task: Annotated[str, typer.Argument(metavar="TASK", help="Name of the task.", show_default=False)],
    *,
    args: Annotated[str, typer.Option("--args", metavar="JSON", help="Positional arguments, a list.")] = "[]",
    kwargs: Annotated[str, typer.Option("--kwargs", metavar="JSON", help="Named arguments, an object.")] = "{}",
    delay: Annotated[float, typer.Option("--delay", min=0, help="Seconds to wait.")] = 0.0,
    priority: Annotated[Priority, typer.Option("--priority")] = Priority.DEFAULT,
    job_id: Annotated[
        str | None, typer.Option("--id", help="Id of your own: the same id is enqueued once.", show_default=False)
    ] = None,
    unchecked: Annotated[
        bool, typer.Option("--unchecked", help="Don't compare with what the queue's workers have published.")
    ] = False,
    durability: Annotated[
        Durability, typer.Option("--durability", help="What to wait for: see docs/guarantees.md.")
    ] = Durability.ACCEPTED,
    redis_url: options.RedisUrl = DEFAULT_URL,
    output: options.Output = Format.AUTO,
) -> None:
    """Enqueue one job by the name of its task. Its arguments must fit what the queue's workers have published."""
    check_queue_name(queue)
    positional, named = _json(args, "--args", list), _json(kwargs, "--kwargs", dict)
    payload = encode_arguments(codec_named("msgpack"), task, positional, named, MAX_PAYLOAD)
    if job_id == "":
        raise UsageError("--id: must not be empty")
    entry = Entry(
        job_id or new_id(),
        encode(header(task), Envelope(int(time.time() * 1000), payload)),
        delay_ms=round(delay * 1000),
        priority=priority,
        given=job_id is not None,
    )

    from headrace.brokers.redis import RedisBroker

    async def send(link: Link) -> bool:
        if not unchecked:
            schemas = await QueueAdmin(link, queue).published.schemas()
            check_arguments(schemas, queue, task, positional, named)
        broker = RedisBroker(link)
        chosen = broker if durability is Durability.ACCEPTED else broker.assured(durability, replicas=1)
        return bool(await Producer(chosen, queue).enqueue([entry]))

    taken = with_link(redis_url, send)
    Printer(output).say(entry.id, {"id": entry.id, "queue": queue, "created": not taken})
    if taken:
        note(f"{entry.id} is taken: the first job of that id stands, nothing was enqueued")


def _json(text: str, option: str, kind: type[Any]) -> Any:
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.MsgspecError:
        wanted = 'a list such as [1, "a"]' if kind is list else 'an object such as {"to": "ada"}'
        raise UsageError(f"{option}: must be {wanted}, as JSON") from None


def jobs(
    queue: options.Queue,
    *,
    state: Annotated[State | None, typer.Option("--state", help="Only jobs in this state.", show_default=False)] = None,
    limit: options.Limit = 100,
    cursor: Annotated[
        str | None, typer.Option("--cursor", help="Where the last list ended (needs --state).", show_default=False)
    ] = None,
    redis_url: options.RedisUrl = DEFAULT_URL,
    output: options.Output = Format.AUTO,
) -> None:
    """List jobs; the running ones first."""
    if cursor is not None and state is None:
        raise UsageError("--cursor: name the --state that it belongs to")
    page = with_queue(redis_url, queue, lambda admin: _list(admin, state, cursor, limit))
    data = {"jobs": [_job_json(view) for view in page.jobs], "cursor": page.cursor}
    columns = ("ID", "STATE", "TASK", "ATTEMPTS", "CRASHES", "SINCE", "DUE", "WORKER", "REASON")
    printer = Printer(output)
    printer.rows(columns, [_job_row(view) for view in page.jobs], data)
    if page.cursor is not None and not printer.structured:
        note(f"there are more: --cursor {page.cursor}")


async def _list(admin: QueueAdmin, state: State | None, cursor: str | None, limit: int) -> JobPage:
    if state is not None:
        return await admin.jobs.page(state, cursor=cursor, limit=limit)
    found: tuple[JobView, ...] = ()
    for each in LISTED:
        if len(found) < limit:
            found += (await admin.jobs.page(each, limit=limit - len(found))).jobs
    return JobPage(found, None)


def _job_row(view: JobView) -> list[Cell]:
    return [
        *(view.id, view.state, view.task, view.attempts, view.crashes),
        *(time_of(view.since_ms), time_of(view.due_ms), view.holder, view.reason),
    ]


def _job_json(view: JobView) -> dict[str, Any]:
    return {name: value for name, value in vars(view).items() if name not in ("payload", "codec", "transitions")}


def show(
    queue: options.Queue,
    job_id: options.JobId,
    payload: Annotated[bool, typer.Option("--payload", help="Show the arguments too.")] = False,
    redis_url: options.RedisUrl = DEFAULT_URL,
    output: options.Output = Format.AUTO,
) -> None:
    """Show one job, and why it is or isn't running."""
    view, why = with_queue(redis_url, queue, lambda admin: _look(admin, job_id, payload))
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


def cancel(
    queue: options.Queue,
    job_id: options.JobId,
    redis_url: options.RedisUrl = DEFAULT_URL,
    output: options.Output = Format.AUTO,
) -> None:
    """Call a job off: at once when it waits, by its worker when it runs."""
    outcome = with_queue(redis_url, queue, lambda admin: admin.jobs.cancel(job_id))
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
