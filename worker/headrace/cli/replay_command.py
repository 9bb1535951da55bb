"""`headrace dlq replay`: dead letters become ready again; a dry run says which, and by what digest to approve them."""

from __future__ import annotations

import secrets
from typing import Annotated

import typer

from headrace.admin.queue_admin import QueueAdmin
from headrace.admin.replay import ReplayProgress
from headrace.admin.selection import ReplaySelection
from headrace.cli import options
from headrace.cli.exit_codes import ExitCode
from headrace.cli.letter_choice import read_filter, read_selection
from headrace.cli.letter_table import show_preview
from headrace.cli.options import DEFAULT_URL
from headrace.cli.output import Format, Printer, note
from headrace.cli.progress import Tell, progress
from headrace.cli.session import with_queue
from headrace.errors import QueueUnavailableError, UsageError


def replay(
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
    most: Annotated[int | None, typer.Option("--max", min=1, help="Most letters to move.", show_default=False)] = None,
    max_replays: options.MaxReplays = None,
    rate: Annotated[
        float | None, typer.Option("--rate", help="Most letters to move per second.", show_default=False)
    ] = None,
    guard: Annotated[
        float | None,
        typer.Option("--guard", help="Stop when this share of them dies again, such as 0.2.", show_default=False),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be moved.")] = False,
    approve: Annotated[
        str | None,
        typer.Option(
            "--approve", metavar="DIGEST", help="Only if it is the set that a dry run has shown.", show_default=False
        ),
    ] = None,
    request: Annotated[
        str | None, typer.Option("--request", help="Go on with an interrupted replay.", show_default=False)
    ] = None,
    redis_url: options.RedisUrl = DEFAULT_URL,
    output: options.Output = Format.AUTO,
) -> None:
    """Make dead letters ready again, oldest first, with fresh attempts."""
    selection = read_selection(read_filter(task, reason, since, older_than, attempts, where), ids, everything)
    if dry_run and approve is not None:
        raise UsageError("--dry-run shows a set, --approve moves it: leave out one of them")
    if dry_run:
        return _propose(Printer(output), redis_url, queue, selection, most, max_replays)
    name = request or f"cli-{secrets.token_hex(6)}"

    async def move(admin: QueueAdmin, tell: Tell) -> ReplayProgress:
        async def on_progress(so_far: ReplayProgress) -> None:
            tell(so_far.total)

        return await admin.replays.replay(
            selection,
            request=name,
            most=most,
            max_replays=max_replays,
            rate=rate,
            guard=guard,
            approve=approve,
            on_progress=on_progress,
        )

    try:
        with progress("letters moved", most) as tell:
            done = with_queue(redis_url, queue, lambda admin: move(admin, tell))
    except (QueueUnavailableError, KeyboardInterrupt):
        note(f"interrupted: go on with --request {name}")
        raise
    if done.stopped:
        Printer(output).say(f"{done.moved} replayed, then stopped: {done.stopped}", done)
        note(f"to go on all the same: --request {name}")
        raise typer.Exit(ExitCode.FAILED)
    spared = f"; {done.left_out} were replayed too often and stay" if done.left_out else ""
    return Printer(output).say(f"{done.moved} replayed{spared}", done)


def _propose(
    printer: Printer, redis_url: str, queue: str, selection: ReplaySelection, most: int | None, max_replays: int | None
) -> None:
    preview = with_queue(
        redis_url, queue, lambda admin: admin.replays.preview(selection, most=most, max_replays=max_replays)
    )
    show_preview(printer, preview, "would be replayed", most)
    if preview.count and not printer.structured:
        note(f"to replay just these: the same with --approve {preview.digest} in place of --dry-run")
