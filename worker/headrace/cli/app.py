"""Puts the verbs together. What a verb does is in the *_commands files."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import Annotated

import typer

from headrace.cli import dlq_commands, job_commands, queue_commands
from headrace.cli.external import help_lines
from headrace.cli.options import show_help_without_verb

_USAGE_ERROR: type[Exception] = typer.BadParameter.__mro__[1]
"""The parser's own error for wrong command lines; typer does not export it by name."""


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"headrace {version('headrace')}")
        raise typer.Exit


def _root(
    context: typer.Context,
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """A worker fleet: enqueue jobs, look at queues, bring dead letters back."""
    show_help_without_verb(context)


def _listed_only(verb: str) -> Callable[[], None]:
    """Stands in the help; entry.py dispatches the verb before it gets here."""

    def refuse() -> None:
        raise typer.BadParameter(f"{verb} must be the first argument")

    return refuse


def build() -> typer.Typer:
    """The app with all verbs."""
    app = typer.Typer(invoke_without_command=True, add_completion=False, pretty_exceptions_enable=False)
    app.callback()(_root)
    for verb, text in help_lines().items():
        app.command(verb, help=text)(_listed_only(verb))
    queue_commands.register(app)
    job_commands.register(app)
    dlq_commands.register(app)
    return app


def run(arguments: Sequence[str]) -> int:
    """Run one command line; returns the exit code. Raises HeadraceError."""
    command = typer.main.get_command(build())
    try:
        # not command.main: it answers a reader that has gone away with an exit code of its own
        with command.make_context("headrace", list(arguments)) as context:
            command.invoke(context)
    except typer.Exit as exit_:
        return exit_.exit_code
    except typer.Abort:
        return 130
    except _USAGE_ERROR as error:
        return _complain(error)
    return 0


def _complain(error: Exception) -> int:
    message = " ".join(str(getattr(error, "format_message", error.__str__)()).split())
    context = getattr(error, "ctx", None)
    where = f" (see {context.command_path} --help)" if context is not None else ""
    print(f"headrace: {message.rstrip('.')}{where}", file=sys.stderr)  # noqa: T201
    return 2
