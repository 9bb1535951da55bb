"""Verbs about dead letters: dlq list, show, delete; the others have files of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from headrace.admin.dead_letters import DeadLetterDetail, Page
from headrace.admin.facets import Facet
from headrace.admin.queue_admin import QueueAdmin
from headrace.admin.selection import LetterFilter
from headrace.cli import options
from headrace.cli.edit_command import edit
from headrace.cli.export_command import export
from headrace.cli.import_command import import_letters
from headrace.cli.letter_choice import read_filter, read_selection
from headrace.cli.letter_json import detail_json, letter_json
from headrace.cli.letter_table import COLUMNS, row, show_preview
from headrace.cli.options import DEFAULT_URL, confirm
from headrace.cli.output import Cell, Format, Printer, note, printable_lines, time_of
from headrace.cli.replay_command import replay
from headrace.cli.session import with_queue
from headrace.errors import UsageError


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
    if by_reason:
        return _show_facets(Printer(output), with_queue(redis_url, queue, lambda admin: _facets(admin, said)))

    async def read(admin: QueueAdmin) -> Page:
        return await admin.dead_letters.page(said, cursor=cursor, limit=limit, newest_first=newest)

    page = with_queue(redis_url, queue, read)
    data = {"letters": [letter_json(letter) for letter in page.letters], "cursor": page.cursor}
    printer = Printer(output)
    printer.rows(COLUMNS, [row(letter) for letter in page.letters], data)
    if page.cursor is not None and not printer.structured:
        looked = f"looked at {page.looked_at} letters; " if page.looked_at else ""
        note(f"{looked}there {'may be' if page.looked_at else 'are'} more: --cursor {page.cursor}")
    return None


async def _facets(admin: QueueAdmin, said: LetterFilter) -> Sequence[Facet]:
    if said.scans:
        raise UsageError("--by-reason counts by task, reason and time; leave out --attempts and --where")
    return await admin.dead_letters.facets(said)


def _show_facets(printer: Printer, facets: Sequence[Facet]) -> None:
    printer.rows(("TASK", "REASON", "LETTERS"), [(f.task, f.reason, f.count) for f in facets], facets)


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
