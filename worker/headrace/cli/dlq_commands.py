"""Verbs about dead letters: dlq show, delete, and the options of list; the others have files of their own."""

from __future__ import annotations

from typing import Annotated

import typer

from headrace.admin.dead_letters import DeadLetterDetail
from headrace.cli import options
from headrace.cli.edit_command import edit
from headrace.cli.export_command import export
from headrace.cli.import_command import import_letters
from headrace.cli.letter_choice import read_filter, read_selection
from headrace.cli.letter_json import detail_json
from headrace.cli.letter_list import show_letters
from headrace.cli.letter_table import show_preview
from headrace.cli.options import DEFAULT_URL, confirm
from headrace.cli.output import Cell, Format, Printer, printable_lines, time_of
from headrace.cli.replay_command import replay
from headrace.cli.session import with_queue


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
    dlq.command("edit")(edit)
    dlq.command("export")(export)
    dlq.command("import")(import_letters)
    app.add_typer(dlq, name="dlq")


def list_letters(
    queue: options.Queue,
    *,
    task: options.TaskFilter = None,
    reason: options.ReasonFilter = None,
    since: options.Since = None,
    older_than: options.OlderThan = None,
    attempts: options.Attempts = None,
    where: options.Where = None,
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
    said = read_filter(task, reason, since, older_than, attempts, where)
    show_letters(
        queue,
        said,
        cursor=cursor,
        limit=limit,
        newest=newest,
        by_reason=by_reason,
        redis_url=redis_url,
        output=output,
    )


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


def delete(
    queue: options.Queue,
    *,
    ids: options.Ids = None,
    task: options.TaskFilter = None,
    reason: options.ReasonFilter = None,
    since: options.Since = None,
    older_than: options.OlderThan = None,
    attempts: options.Attempts = None,
    where: options.Where = None,
    everything: options.Everything = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be deleted.")] = False,
    yes: options.Yes = False,
    redis_url: options.RedisUrl = DEFAULT_URL,
    output: options.Output = Format.AUTO,
) -> None:
    """Delete dead letters for good. Asks first, except for given ids."""
    said = read_filter(task, reason, since, older_than, attempts, where)
    selection = read_selection(said, ids, everything)
    if dry_run or not (ids or yes):
        preview = with_queue(redis_url, queue, lambda admin: admin.replays.preview(selection))
        if dry_run:
            return show_preview(Printer(output), preview, "would be deleted")
        confirm(f"delete {preview.count} dead letters of {queue}?")
    deleted = with_queue(redis_url, queue, lambda admin: admin.dead_letters.delete(selection))
    return Printer(output).say(f"{deleted} deleted", {"deleted": deleted})
