"""The full parser: the verbs as a typer app, for help, completion and whatever the quick one does not understand."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from inspect import Parameter as Argument
from inspect import Signature
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from headrace.cli.completion_command import answer
from headrace.cli.exit_codes import ExitCode
from headrace.cli.external import help_lines
from headrace.cli.parameters import Kind, Parameter
from headrace.cli.verbs import GROUPS, VERBS, Verb, carry_out

_TYPES: Final[Mapping[Kind, type]] = {
    Kind.TEXT: str,
    Kind.WHOLE: int,
    Kind.NUMBER: float,
    Kind.FLAG: bool,
    Kind.PATH: Path,
}
_USAGE_ERROR: type[Exception] = typer.BadParameter.__mro__[1]
"""The parser's own error for wrong command lines; typer does not export it by name."""


def build() -> typer.Typer:
    """The app with all verbs that there are."""
    app = typer.Typer(invoke_without_command=True, add_completion=False, pretty_exceptions_enable=False)
    app.callback()(_root)
    groups = {
        word: typer.Typer(invoke_without_command=True, callback=_show_help_without_verb, help=text)
        for word, text in GROUPS.items()
    }
    external = help_lines()
    for name, text in external.items():
        if " " not in name:
            app.command(name, help=text)(_listed_only(name))
    for verb in VERBS.values():
        *group, word = verb.words
        (groups[group[0]] if group else app).command(word, help=verb.help)(_command(verb))
    for name, text in external.items():
        if (first := name.partition(" ")[0]) in groups:
            groups[first].command(name.removeprefix(f"{first} "), help=text)(_listed_only(name))
    for word, made in groups.items():
        app.add_typer(made, name=word)
    return app


def run(arguments: Sequence[str]) -> int:
    """Run one command line; returns the exit code. Raises HeadraceError."""
    command = typer.main.get_command(build())
    if (answered := answer(command)) is not None:
        return answered
    try:
        # not command.main: it answers a reader that has gone away with an exit code of its own
        with command.make_context("headrace", list(arguments)) as context:
            command.invoke(context)
    except typer.Exit as exit_:
        return exit_.exit_code
    except _USAGE_ERROR as error:
        return _complain(error)
    return ExitCode.DONE


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
    _show_help_without_verb(context)


def _show_help_without_verb(context: typer.Context) -> None:
    """A group alone shows its help and exits with 2."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(ExitCode.MISTAKE)


def _listed_only(name: str) -> Callable[[], None]:
    """Stands in the help; entry.py dispatches the verb before it gets here."""

    def refuse() -> None:
        raise typer.BadParameter(f"{name} must stand first")

    return refuse


def _command(verb: Verb) -> Callable[..., None]:
    """A function of the shape that typer reads a command from."""
    many = {parameter.name for parameter in verb.parameters if parameter.many}

    def call(**given: Any) -> None:
        code = carry_out(verb, {name: list(value or ()) if name in many else value for name, value in given.items()})
        if code:
            raise typer.Exit(code)

    shown = [
        Argument(
            one.name,
            Argument.KEYWORD_ONLY,
            default=Argument.empty if one.required else _default(one),
            annotation=_annotation(one),
        )
        for one in verb.parameters
    ]
    call.__signature__ = Signature(shown)  # type: ignore[attr-defined]
    return call


def _default(parameter: Parameter) -> Any:
    return parameter.choice(parameter.default) if parameter.choices and parameter.default else parameter.default


def _annotation(parameter: Parameter) -> Any:
    kind: Any = parameter.choice if parameter.kind is Kind.CHOICE else _TYPES[parameter.kind]
    kind = list[kind] if parameter.many else kind
    kind = kind if parameter.required or parameter.default is not None else kind | None
    said: dict[str, Any] = {"help": parameter.help or None, "metavar": parameter.metavar}
    said["show_default"] = parameter.default is not None
    if not parameter.words:
        return Annotated[kind, typer.Argument(**said)]
    said |= {"min": parameter.least, "max": parameter.most, "envvar": parameter.environment or None}
    first, *others = parameter.words
    return Annotated[kind, typer.Option(first, *others, **said)]


def _complain(error: Exception) -> int:
    message = " ".join(str(getattr(error, "format_message", error.__str__)()).split())
    context = getattr(error, "ctx", None)
    where = f" (see {context.command_path} --help)" if context is not None else ""
    print(f"headrace: {message.rstrip('.')}{where}", file=sys.stderr)  # noqa: T201
    return ExitCode.MISTAKE
