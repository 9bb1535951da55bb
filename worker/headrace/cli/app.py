"""Puts the verbs together. What a verb does is in the *_command(s) files, of which only the verb's own is imported."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Annotated, Final

import typer

from headrace.cli.completion_command import answer
from headrace.cli.exit_codes import ExitCode
from headrace.cli.options import show_help_without_verb

_FILES: Final[Mapping[str, tuple[str, ...]]] = {
    "queue_commands": ("stats", "pause", "resume", "limit", "purge", "audit"),
    "top_command": ("top",),
    "job_commands": ("enqueue", "jobs", "show", "cancel"),
    "dlq_commands": ("dlq",),
    "schedule_commands": ("schedules",),
    "completion_command": ("completion",),
}
"""File → its verbs, in the order of the help."""
OWN: Final[Mapping[str, str]] = {verb: file for file, verbs in _FILES.items() for verb in verbs}
"""Verb → its file."""
_USAGE_ERROR: type[Exception] = typer.BadParameter.__mro__[1]
"""The parser's own error for wrong command lines; typer does not export it by name."""


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

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


def build(verb: str = "") -> typer.Typer:
    """The app with the verbs of the file that has this one; with all verbs there are when none of ours has."""
    app = typer.Typer(invoke_without_command=True, add_completion=False, pretty_exceptions_enable=False)
    app.callback()(_root)
    if verb not in OWN:
        from headrace.cli.external import help_lines

        for name, text in help_lines().items():
            app.command(name, help=text)(_listed_only(name))
    for file in (OWN[verb],) if verb in OWN else _FILES:
        import_module(f"headrace.cli.{file}").register(app)
    return app


def run(arguments: Sequence[str]) -> int:
    """Run one command line; returns the exit code. Raises HeadraceError."""
    command = typer.main.get_command(build(arguments[0] if arguments else ""))
    if (answered := answer(command)) is not None:
        return answered
    try:
        # not command.main: it answers a reader that has gone away with an exit code of its own
        with command.make_context("headrace", list(arguments)) as context:
            command.invoke(context)
    except typer.Exit as exit_:
        return exit_.exit_code
    except typer.Abort:
        return ExitCode.INTERRUPTED
    except _USAGE_ERROR as error:
        return _complain(error)
    return ExitCode.DONE


def _complain(error: Exception) -> int:
    message = " ".join(str(getattr(error, "format_message", error.__str__)()).split())
    context = getattr(error, "ctx", None)
    where = f" (see {context.command_path} --help)" if context is not None else ""
    print(f"headrace: {message.rstrip('.')}{where}", file=sys.stderr)  # noqa: T201
    return ExitCode.MISTAKE
