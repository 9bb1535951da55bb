"""Verbs about dead letters: dlq list, show, delete, replay; export is export_command.py's."""

from __future__ import annotations

import secrets
from typing import Annotated

import typer

from headrace.admin.dead_letters import DeadLetter, DeadLetterDetail, Facet, Page
from headrace.admin.queue_admin import QueueAdmin
from headrace.admin.replay import OnProgress, ReplayPreview, ReplayProgress
from headrace.admin.selection import ReplaySelection
from headrace.cli import options
from headrace.cli.export_command import export
from headrace.cli.letter_json import detail_json, letter_json
from headrace.cli.options import DEFAULT_URL, confirm
from headrace.cli.output import Cell, Format, Printer, note, printable_lines, time_of
from headrace.cli.progress import Tell, progress
from headrace.cli.session import with_queue
from headrace.errors import QueueUnavailableError, UsageError

_COLUMNS = ("ID", "TASK", "REASON", "DIED", "ATTEMPTS", "CRASHES", "ERROR")


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    dlq = typer.Typer(
        invoke_without_command=True,
        callback=options.show_help_without_verb,
        help="Dead letters: jobs that really failed.",
    )
    dlq.command("list")(list_letters)
    dlq.command("show")(show)
    dlq.command("delete")(delete)
    dlq.command("replay")(replay)
    dlq.command("export")(export)
    app.add_typer(dlq, name="dlq")


def list_letters(
    queue: options.Queue,
    *,
    task: options.TaskFilter = None,
    reason: options.ReasonFilter = None,
    cursor: Annotated[
        int | None, typer.Option("--cursor", help="Where the last list ended.", show_default=False)
    ] = None,
    limit: options.Limit = 100,
    newest: Annotated[bool, typer.Option("--newest", help="Newest first.")] = False,
    by_reason: Annotated[bool, typer.Option("--by-reason", help="Only count them, by task and reason.")] = False,
    redis_url: options.RedisUrl = DEFAULT_URL,
    output: options.Output = Format.AUTO,
) -> None:
    """List dead letters, or count them by task and reason."""
    if by_reason:
        facets = with_queue(redis_url, queue, lambda admin: admin.dead_letters.facets())
        return _show_facets(
            Printer(output), [f for f in facets if task in (None, f.task) and reason in (None, f.reason)]
        )

    async def read(admin: QueueAdmin) -> Page:
        return await admin.dead_letters.page(task=task, reason=reason, cursor=cursor, limit=limit, newest_first=newest)

    page = with_queue(redis_url, queue, read)
    data = {"letters": [letter_json(letter) for letter in page.letters], "cursor": page.cursor}
    printer = Printer(output)
    printer.rows(_COLUMNS, [_row(letter) for letter in page.letters], data)
    if page.cursor is not None and not printer.structured:
        note(f"there are more: --cursor {page.cursor}")
    return None


def _show_facets(printer: Printer, facets: list[Facet]) -> None:
    printer.rows(("TASK", "REASON", "LETTERS"), [(f.task, f.reason, f.count) for f in facets], facets)


def _row(letter: DeadLetter) -> list[Cell]:
    record = letter.record
    return [
        *(letter.id, letter.task, letter.reason, time_of(letter.died_us // 1000)),
        *(record.attempts, record.crashes, record.error),
    ]


def show(
    queue: options.Queue,
    job_id: options.JobId,
    redis_url: options.RedisUrl = DEFAULT_URL,
    output: options.Output = Format.AUTO,
) -> None:
    """Show one dead letter with its traceback."""
    found = with_queue(redis_url, queue, lambda admin: admin.dead_letters.get(job_id))
    printer = Printer(output)
    printer.record(_detail_fields(found), detail_json(found))
    if found.traceback and not printer.structured:
        typer.echo("\n" + printable_lines(found.traceback))


def _detail_fields(found: DeadLetterDetail) -> dict[str, Cell]:
    letter = found.letter
    return {
        "id": letter.id,
        "task": letter.task,
        "reason": letter.reason,
        "error": letter.record.error,
        "died": time_of(letter.died_us // 1000),
        "attempts": letter.record.attempts,
        "crashes": letter.record.crashes,
        "replays": found.replays,
        "worker": letter.record.worker,
        "last run, s": round(letter.record.seconds, 3),
        "enqueued": time_of(found.enqueued_ms),
        "correlation id": found.correlation_id,
        **{f"meta {name}": value for name, value in found.meta.items()},
    }


def _selection(ids: list[str] | None, task: str | None, reason: str | None, everything: bool) -> ReplaySelection:
    if not (ids or task is not None or reason is not None or everything):
        raise UsageError("say which letters: --id, --task, --reason or --all")
    return ReplaySelection(everything=everything, ids=tuple(ids or ()), task=task, reason=reason)


def delete(
    queue: options.Queue,
    *,
    ids: options.Ids = None,
    task: options.TaskFilter = None,
    reason: options.ReasonFilter = None,
    everything: options.Everything = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be deleted.")] = False,
    yes: options.Yes = False,
    redis_url: options.RedisUrl = DEFAULT_URL,
    output: options.Output = Format.AUTO,
) -> None:
    """Delete dead letters for good. Asks first, except for given ids."""
    selection = _selection(ids, task, reason, everything)
    if dry_run or not (ids or yes):
        preview = with_queue(redis_url, queue, lambda admin: admin.replays.preview(selection))
        if dry_run:
            return _show_preview(Printer(output), preview, "would be deleted")
        confirm(f"delete {preview.count} dead letters of {queue}?")
    deleted = with_queue(redis_url, queue, lambda admin: admin.dead_letters.delete(selection))
    return Printer(output).say(f"{deleted} deleted", {"deleted": deleted})


def replay(
    queue: options.Queue,
    *,
    ids: options.Ids = None,
    task: options.TaskFilter = None,
    reason: options.ReasonFilter = None,
    everything: options.Everything = False,
    most: Annotated[int | None, typer.Option("--max", min=1, help="Most letters to move.", show_default=False)] = None,
    rate: Annotated[
        float | None, typer.Option("--rate", help="Most letters to move per second.", show_default=False)
    ] = None,
    guard: Annotated[
        float | None,
        typer.Option("--guard", help="Stop when this share of them dies again, such as 0.2.", show_default=False),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be moved.")] = False,
    request: Annotated[
        str | None, typer.Option("--request", help="Go on with an interrupted replay.", show_default=False)
    ] = None,
    redis_url: options.RedisUrl = DEFAULT_URL,
    output: options.Output = Format.AUTO,
) -> None:
    """Make dead letters ready again, oldest first, with fresh attempts."""
    selection = _selection(ids, task, reason, everything)
    if dry_run:
        preview = with_queue(redis_url, queue, lambda admin: admin.replays.preview(selection))
        return _show_preview(Printer(output), preview, "would be replayed", most)
    name = request or f"cli-{secrets.token_hex(6)}"
    try:
        with progress("letters moved", most) as tell:
            done = with_queue(
                redis_url,
                queue,
                lambda admin: admin.replays.replay(
                    selection, request=name, most=most, rate=rate, guard=guard, on_progress=_telling(tell)
                ),
            )
    except (QueueUnavailableError, KeyboardInterrupt):
        note(f"interrupted: go on with --request {name}")
        raise
    if done.stopped:
        Printer(output).say(f"{done.moved} replayed, then stopped: {done.stopped}", done)
        note(f"to go on all the same: --request {name}")
        raise typer.Exit(1)
    return Printer(output).say(f"{done.moved} replayed", done)


def _telling(tell: Tell) -> OnProgress:
    async def on_progress(so_far: ReplayProgress) -> None:
        tell(so_far.total)

    return on_progress


def _show_preview(printer: Printer, preview: ReplayPreview, verb: str, most: int | None = None) -> None:
    count = preview.count if most is None else min(preview.count, most)
    if printer.structured:
        sample = [letter_json(letter) for letter in preview.sample]
        return printer.document({"count": count, "by_reason": preview.by_reason, "sample": sample})
    printer.rows(("REASON", "LETTERS"), list(preview.by_reason.items()), None)
    if preview.sample:
        printer.rows(_COLUMNS, [_row(letter) for letter in preview.sample], None, title="the oldest")
    return printer.say(f"{count} {verb}", None)
