"""`headrace dev`: runs a whole fleet on this machine from its YAML."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

from headrace.errors import HeadraceError, UsageError
from headrace_operator.dev.options import read_options
from headrace_operator.dev.session import run_dev


def main(argv: Sequence[str]) -> int:
    """Exit code 0 after Ctrl-C or when idle, 2 for a mistake, 130 for Ctrl-C while starting, else 1."""
    try:
        options = read_options(argv)
        asyncio.run(run_dev(options))
    except KeyboardInterrupt:
        return 130
    except HeadraceError as error:
        return _complain(error)
    except ExceptionGroup as group:
        first = _first(group)
        if first is None:
            raise
        return _complain(first)
    return 0


def _first(group: ExceptionGroup[Exception]) -> HeadraceError | None:
    """What is behind a group in which nothing unforeseen is."""
    known, others = group.split(HeadraceError)
    if known is None or others is not None:
        return None
    error: Exception = known
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error if isinstance(error, HeadraceError) else None


def _complain(error: HeadraceError) -> int:
    print(f"headrace dev: {error}", file=sys.stderr)  # noqa: T201
    return 2 if isinstance(error, UsageError) else 1
