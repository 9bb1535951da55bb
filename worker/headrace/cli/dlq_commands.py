"""Verbs about dead letters: dlq list, show, delete; the others have files of their own."""

from __future__ import annotations

from collections.abc import Sequence

from headrace.admin.dead_letters import DeadLetterDetail, Page
from headrace.admin.facets import Facet
from headrace.admin.queue_admin import QueueAdmin
from headrace.admin.selection import LetterFilter, ReplaySelection
from headrace.cli.asking import confirm
from headrace.cli.exit_codes import ExitCode
from headrace.cli.letter_choice import absent, note_absent, propose, read_filter, read_selection
from headrace.cli.letter_json import detail_json, letter_json
from headrace.cli.letter_table import COLUMNS, row, show_preview
from headrace.cli.output import Cell, Format, Printer, note, printable_lines, time_of
from headrace.cli.session import ask_queue
from headrace.cli.unused_queue import note_unused
from headrace.errors import UsageError


def list_letters(
    queue: str,
    *,
    task: str | None,
    reason: str | None,
    since: str | None,
    older_than: str | None,
    attempts: str | None,
    where: list[str],
    cursor: int | None,
    limit: int,
    newest: bool,
    by_reason: bool,
    redis_url: str,
    output: Format,
) -> None:
    """A page of them, or how many there are by task and reason. Raises UsageError."""
    said = read_filter(task, reason, since, older_than, attempts, where)
    printer = Printer(output)
    if by_reason:
        facets = ask_queue(redis_url, queue, lambda admin: _facets(admin, said))
        printer.rows(("TASK", "REASON", "LETTERS"), [(f.task, f.reason, f.count) for f in facets], facets)
        return

    async def read(admin: QueueAdmin) -> Page:
        page = await admin.dead_letters.page(said, cursor=cursor, limit=limit, newest_first=newest)
        if not page.letters:
            await note_unused(admin)
        return page

    page = ask_queue(redis_url, queue, read)
    data = {"letters": [letter_json(letter) for letter in page.letters], "cursor": page.cursor}
    printer.rows(COLUMNS, [row(letter) for letter in page.letters], data)
    if page.cursor is not None and not printer.structured:
        looked = f"looked at {page.looked_at} letters; " if page.looked_at else ""
        note(f"{looked}there {'may be' if page.looked_at else 'are'} more: --cursor {page.cursor}")


async def _facets(admin: QueueAdmin, said: LetterFilter) -> Sequence[Facet]:
    if said.scans:
        raise UsageError("--by-reason counts by task, reason and time; leave out --attempts and --where")
    facets = await admin.dead_letters.facets(said)
    if not facets:
        await note_unused(admin)
    return facets


def show(queue: str, job_id: str, redis_url: str, output: Format) -> None:
    """With its traceback, but for documents in plain lines. Raises JobNotFoundError."""
    found = ask_queue(redis_url, queue, lambda admin: admin.dead_letters.get(job_id))
    printer = Printer(output)
    printer.record(_detail_fields(found), detail_json(found))
    if found.traceback and not printer.structured:
        printer.text(f"\n{printable_lines(found.traceback)}")


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
    queue: str,
    *,
    ids: list[str],
    task: str | None,
    reason: str | None,
    since: str | None,
    older_than: str | None,
    attempts: str | None,
    where: list[str],
    everything: bool,
    dry_run: bool,
    yes: bool,
    redis_url: str,
    output: Format,
) -> int:
    """Asks first, except for given ids. Raises UsageError where nobody can answer."""
    said = read_filter(task, reason, since, older_than, attempts, where)
    selection = read_selection(said, ids, everything)
    if dry_run or not (ids or yes):
        preview, gone = ask_queue(redis_url, queue, lambda admin: propose(admin, selection))
        if dry_run:
            show_preview(Printer(output), preview, "would be deleted")
            return ExitCode.MISTAKE if note_absent(queue, ids, gone) else ExitCode.DONE
        confirm(f"delete {preview.count} dead letters of {queue}?")
    deleted, gone = ask_queue(redis_url, queue, lambda admin: _delete(admin, selection))
    Printer(output).say(f"{deleted} deleted", {"deleted": deleted})
    return ExitCode.MISTAKE if note_absent(queue, ids, gone) else ExitCode.DONE


async def _delete(admin: QueueAdmin, selection: ReplaySelection) -> tuple[int, list[str]]:
    gone = await absent(admin, list(selection.ids))
    deleted = await admin.dead_letters.delete(selection)
    if not deleted:
        await note_unused(admin)
    return deleted, gone
