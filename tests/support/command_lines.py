"""Whether a `headrace …` command line would be understood, by the real parsers; nothing is run."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import dropwhile
from typing import Any
from unittest.mock import patch

import typer

from headrace.cli.app import build
from headrace.cli.entry import find_run
from headrace.cli.external import help_lines

_OPERATORS = re.compile(r"[|&;<>()]+")
_SETTING = re.compile(r"[A-Z_]+=.*")


_USAGE_ERROR: type[Exception] = typer.BadParameter.__mro__[1]


class _Made(BaseException):
    """The parser is there; what would follow is not a test's to run."""


class NotUnderstoodError(AssertionError):
    """The message is what the parser said."""


def headrace_calls(line: str) -> Iterator[list[str]]:
    """The arguments of each call of headrace in a shell's line: first in a pipeline's part, or behind `--`."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    part: list[str] = []
    for word in [*lexer, "|"]:
        if not _OPERATORS.fullmatch(word):
            part.append(word)
            continue
        behind = part[part.index("--") + 1 :] if "--" in part else []
        for words in (part, behind):
            call = list(dropwhile(_SETTING.fullmatch, words))
            if call[:1] == ["headrace"]:
                yield call[1:]
        part = []


def understand(arguments: Sequence[str]) -> None:
    """Parse a whole command line. Raises NotUnderstoodError."""
    try:
        if (external := _external(arguments)) is not None:
            _parser_of(external).parse_args(arguments[len(external) :])
        else:
            _parse_deep(typer.main.get_command(build()), arguments, None)
    except typer.Exit:  # --version, --help
        return
    except (SystemExit, _USAGE_ERROR) as error:
        raise NotUnderstoodError(f"headrace {shlex.join(arguments)}: {error}") from error


def understand_mention(arguments: Sequence[str]) -> None:
    """The same for a mention in a sentence, which may leave out arguments: its verbs and options exist."""
    said = {word.partition("=")[0] for word in arguments if word.startswith("-")}
    if unknown := said - _options_of(arguments):
        raise NotUnderstoodError(f"headrace {shlex.join(arguments)}: there is no {', '.join(sorted(unknown))}")


def _options_of(arguments: Sequence[str]) -> set[str]:
    if (external := _external(arguments)) is not None:
        return {option for action in _parser_of(external)._actions for option in action.option_strings}
    command: Any = typer.main.get_command(build())
    for word in arguments:
        if word.startswith("-") or not hasattr(command, "commands"):
            break
        if word not in command.commands:
            raise NotUnderstoodError(f"headrace {shlex.join(arguments)}: there is no verb {word!r}")
        command = command.commands[word]
    return {option for parameter in command.params for option in parameter.opts}


def _parse_deep(command: Any, arguments: Sequence[str], parent: Any) -> None:
    """A group, then the command in it that the line names."""
    context = command.make_context(command.name or "headrace", list(arguments), parent=parent)
    if hasattr(command, "commands"):
        left = [*context._protected_args, *context.args]
        if not left:
            raise NotUnderstoodError(f"headrace {shlex.join(arguments)}: names no verb")
        _, found, rest = command.resolve_command(context, left)
        _parse_deep(found, rest, context)


def _external(arguments: Sequence[str]) -> Sequence[str] | None:
    """The words of the verb that is not the app's own."""
    return next((arguments[:count] for count in (2, 1) if " ".join(arguments[:count]) in help_lines()), None)


def _parser_of(words: Sequence[str]) -> argparse.ArgumentParser:
    """The parser that this verb's `main` makes."""
    made: list[argparse.ArgumentParser] = []

    def keep(self: argparse.ArgumentParser, *_: Any, **__: Any) -> None:
        made.append(self)
        raise _Made

    with patch.object(argparse.ArgumentParser, "parse_args", keep), suppress(_Made):
        find_run(words)()
    return made[0]
