"""`headrace completion`: prints what makes a shell complete verbs and options, and answers that shell."""

from __future__ import annotations

import os
from enum import StrEnum
from typing import Annotated, Any, Final

import typer

PROGRAM: Final = "headrace"
VARIABLE: Final = "_HEADRACE_COMPLETE"
"""Set by the script when it asks for completions."""


class Shell(StrEnum):
    """The shells that there is a script for."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(completion)


def completion(shell: Annotated[Shell, typer.Argument(help="Which one.", show_default=False)]) -> None:
    """Print a shell's completion script; for bash: source <(headrace completion bash)."""
    _complete(None, f"source_{shell}")


def answer(command: Any) -> int | None:
    """What the script asked for by its variable, printed; None when nobody asked. `command` is the whole app's."""
    instruction = os.environ.get(VARIABLE)
    return None if instruction is None else _complete(command, instruction)


def _complete(command: Any, instruction: str) -> int:
    from typer.completion import completion_init, shell_complete  # type: ignore[attr-defined]

    completion_init()
    return int(shell_complete(command, {}, PROGRAM, VARIABLE, instruction))
