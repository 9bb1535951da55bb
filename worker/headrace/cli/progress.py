"""A bar on stderr for work that takes a while; nothing where nobody looks at a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Tell = Callable[[int], None]
"""Told how much is done by now."""


@contextmanager
def progress(what: str, total: int | None = None) -> Iterator[Tell]:
    """Shows `what` and how much of `total` is done, from the first to the last line of the block; `total` may not be
    known."""
    if not sys.stderr.isatty():
        yield _nobody_looks
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    counted = TextColumn("{task.completed:,}" + ("" if total is None else " of {task.total:,}"))
    share = () if total is None else (TaskProgressColumn(),)
    columns = (TextColumn("{task.description}"), BarColumn(), counted, *share, TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.update(task, completed=done)


def _nobody_looks(_done: int) -> None:
    """Scripts and logs are spared."""
