"""`headrace dlq replay`: dead letters become ready again; a dry run says which, and by what digest to approve them."""

from __future__ import annotations

import os

from headrace.admin.proposal import check_digest
from headrace.admin.queue_admin import QueueAdmin
from headrace.admin.replay import ReplayProgress
from headrace.admin.selection import ReplaySelection
from headrace.cli.exit_codes import ExitCode
from headrace.cli.letter_choice import absent, note_absent, propose, read_filter, read_selection
from headrace.cli.letter_table import show_preview
from headrace.cli.output import Format, Printer, note
from headrace.cli.progress import Tell, progress
from headrace.cli.session import ask_queue, with_queue
from headrace.cli.unused_queue import note_unused
from headrace.errors import QueueUnavailableError, SetChangedError, UsageError


def replay(
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
    most: int | None,
    max_replays: int | None,
    rate: float | None,
    guard: float | None,
    dry_run: bool,
    approve: str | None,
    request: str | None,
    redis_url: str,
    output: Format,
) -> int:
    """One that is broken off says how to go on. Raises UsageError, HeadraceError."""
    selection = read_selection(read_filter(task, reason, since, older_than, attempts, where), ids, everything)
    if dry_run and approve is not None:
        raise UsageError("--dry-run shows a set, --approve moves it: leave out one of them")
    if approve is not None:
        check_digest(approve, "--approve")
    if dry_run:
        return _propose(Printer(output), redis_url, queue, selection, most, max_replays)
    name = request or f"cli-{os.urandom(6).hex()}"

    async def move(admin: QueueAdmin, tell: Tell) -> tuple[ReplayProgress, list[str]]:
        async def on_progress(so_far: ReplayProgress) -> None:
            tell(so_far.total)

        gone = await absent(admin, ids)
        done = await admin.replays.replay(
            selection,
            request=name,
            most=most,
            max_replays=max_replays,
            rate=rate,
            guard=guard,
            approve=approve,
            on_progress=on_progress,
        )
        if not done.total:
            await note_unused(admin)
        before = done.total > done.moved  # it was under way: letters that it has moved are dead no more
        return done, [] if before else gone

    try:
        with progress("letters moved", most) as tell:
            done, gone = with_queue(redis_url, queue, lambda admin: move(admin, tell))
    except SetChangedError as error:  # no mistake: somebody was quicker, or a bound is another one
        note(str(error))
        return ExitCode.FAILED
    except (QueueUnavailableError, KeyboardInterrupt):
        note(f"interrupted: go on with --request {name}")
        raise
    mistaken = note_absent(queue, ids, gone)
    if done.stopped:
        Printer(output).say(f"{done.moved} replayed, then stopped: {done.stopped}", done)
        note(f"to go on all the same: --request {name}")
        return ExitCode.FAILED
    spared = f"; {done.left_out} were replayed too often and stay" if done.left_out else ""
    Printer(output).say(f"{done.moved} replayed{spared}", done)
    return ExitCode.MISTAKE if mistaken else ExitCode.DONE


def _propose(
    printer: Printer, redis_url: str, queue: str, selection: ReplaySelection, most: int | None, max_replays: int | None
) -> int:
    preview, gone = ask_queue(redis_url, queue, lambda admin: propose(admin, selection, most, max_replays))
    show_preview(printer, preview, "would be replayed")
    if preview.moves and not printer.structured:
        note(f"to replay just these: the same with --approve {preview.digest} in place of --dry-run")
    return ExitCode.MISTAKE if note_absent(queue, list(selection.ids), gone) else ExitCode.DONE
