"""Options and arguments that several verbs share."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from headrace.cli import session
from headrace.cli.exit_codes import ExitCode
from headrace.cli.output import Format, check_format
from headrace.errors import UsageError

Queue = Annotated[str, typer.Argument(metavar="QUEUE", help="Name of the queue.", show_default=False)]
Queues = Annotated[list[str], typer.Argument(metavar="QUEUE...", help="Names of queues.", show_default=False)]
JobId = Annotated[str, typer.Argument(metavar="ID", help="Id of the job.", show_default=False)]
RedisUrl = Annotated[
    str,
    typer.Option("--redis-url", envvar="REDIS_URL", show_envvar=True, show_default=True, help="Where the queues are."),
]
Output = Annotated[
    Format,
    typer.Option(
        "-o", "--output", callback=check_format, help="auto: tables on a terminal, else plain tab-separated lines."
    ),
]
TaskFilter = Annotated[str | None, typer.Option("--task", help="Only letters of this task.", show_default=False)]
ReasonFilter = Annotated[
    str | None, typer.Option("--reason", help="Only letters with this reason (exception class).", show_default=False)
]
Since = Annotated[
    str | None,
    typer.Option(
        "--since", metavar="WHEN", help="Only letters that died then or later: 2h, or a time.", show_default=False
    ),
]
OlderThan = Annotated[
    str | None,
    typer.Option(
        "--older-than", metavar="WHEN", help="Only letters that died before: 7d, or a time.", show_default=False
    ),
]
Attempts = Annotated[
    str | None,
    typer.Option(
        "--attempts", metavar="N", help="Only letters after so many failed runs: 3, 2.. or 2..5.", show_default=False
    ),
]
Where = Annotated[
    list[str] | None,
    typer.Option(
        "--where", metavar="NAME=VALUE", help="Only letters with this argument; may be repeated.", show_default=False
    ),
]
MaxReplays = Annotated[
    int | None,
    typer.Option(
        "--max-replays", min=1, max=255, help="Leave out what was replayed so often already.", show_default=False
    ),
]
Ids = Annotated[
    list[str] | None, typer.Option("--id", metavar="ID", help="This letter; may be repeated.", show_default=False)
]
Everything = Annotated[bool, typer.Option("--all", help="All letters of the queue.")]
Yes = Annotated[bool, typer.Option("--yes", help="Don't ask.")]
Limit = Annotated[int, typer.Option("--limit", min=1, max=1000, help="Most lines to show.")]

DEFAULT_URL = session.DEFAULT_URL


def confirm(question: str) -> None:
    """Ask before what can't be undone. Raises UsageError where nobody can answer."""
    if not sys.stdin.isatty():
        raise UsageError("there is nobody to ask: say --yes to go on without a question")
    typer.confirm(question, abort=True, err=True)


def show_help_without_verb(context: typer.Context) -> None:
    """For a group's callback: the group alone shows its help and exits with 2."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(ExitCode.MISTAKE)
