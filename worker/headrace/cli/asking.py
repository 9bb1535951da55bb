"""Asks before what can't be undone."""

from __future__ import annotations

import sys

from headrace.errors import UsageError


def confirm(question: str) -> None:
    """Returns when the answer is yes. Raises KeyboardInterrupt for no, UsageError where nobody can answer."""
    if not sys.stdin.isatty():
        raise UsageError("there is nobody to ask: say --yes to go on without a question")
    import typer

    try:
        typer.confirm(question, abort=True, err=True)
    except typer.Abort:
        raise KeyboardInterrupt from None
