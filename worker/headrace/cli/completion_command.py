"""`headrace completion`: prints what makes a shell complete verbs and options, and answers that shell."""

from __future__ import annotations

import os
from enum import StrEnum
from typing import Any, Final

from headrace.cli.entry import COMPLETION

PROGRAM: Final = "headrace"


class Shell(StrEnum):
    """The shells that there is a script for."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def completion(shell: Shell) -> int:
    """Print the script of one."""
    return _complete(None, f"source_{shell}")


def answer(command: Any) -> int | None:
    """What the script asked for by its variable, printed; None when nobody asked. `command` is the whole app's."""
    instruction = os.environ.get(COMPLETION)
    return None if instruction is None else _complete(command, instruction)


def _complete(command: Any, instruction: str) -> int:
    from typer.completion import completion_init, shell_complete  # type: ignore[attr-defined]

    completion_init()
    return int(shell_complete(command, {}, PROGRAM, COMPLETION, instruction))
