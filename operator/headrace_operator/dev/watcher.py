"""Notices that somebody saved the YAML, the code, or a request. Reads nothing of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from enum import Enum, auto
from pathlib import Path

from watchfiles import Change, awatch

from headrace_operator.runtimes.local.code import is_skipped, is_source

_DEBOUNCE_MS = 100
_STEP_MS = 20


class Saved(Enum):
    """What was saved."""

    YAML = auto()
    """The file, or a request beside it."""
    CODE = auto()


async def watch(file: Path, requests: Sequence[Path], on_save: Callable[[set[Saved]], Awaitable[None]]) -> None:
    """Await `on_save` after each save, until cancelled.

    The YAML's folder is watched without its subfolders, and of those only the ones that may hold code: the data of
    the embedded server changes all the time.
    """
    while True:
        stop = asyncio.Event()
        deep = _folders(file.parent)
        heard: asyncio.Queue[set[tuple[Change, str]]] = asyncio.Queue()
        async with asyncio.TaskGroup() as group:
            group.create_task(_listen([file.parent, *requests], False, stop, heard))
            if deep:
                group.create_task(_listen(deep, True, stop, heard))
            while deep == _folders(file.parent):
                if saved := _sort(await heard.get(), file, requests):
                    await on_save(saved)
            stop.set()


def _folders(folder: Path) -> list[Path]:
    """Where code may be below the YAML's own folder."""
    return sorted(path for path in folder.iterdir() if path.is_dir() and not _is_aside(path))


async def _listen(
    paths: list[Path], recursive: bool, stop: asyncio.Event, heard: asyncio.Queue[set[tuple[Change, str]]]
) -> None:
    async for changes in awatch(
        *paths, recursive=recursive, stop_event=stop, debounce=_DEBOUNCE_MS, step=_STEP_MS, watch_filter=None
    ):
        heard.put_nowait(changes)


def _sort(changes: set[tuple[Change, str]], file: Path, requests: Sequence[Path]) -> set[Saved]:
    saved = set()
    for _, name in changes:
        path = Path(name)
        if path == file or (path.parent in requests and path.suffix == ".json"):
            saved.add(Saved.YAML)
        elif is_source(path):
            saved.add(Saved.CODE)
    return saved


def _is_aside(path: Path) -> bool:
    return is_skipped(path.name) or (path / "pyvenv.cfg").exists()
