"""`headrace top`: queues as they are now, again and again, until q; in a pipe two looks, and the rates between them."""

from __future__ import annotations

import asyncio
import os
import sys
import termios
import tty
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from headrace.admin.queue_admin import stats_many
from headrace.cli.exit_codes import ExitCode
from headrace.cli.load import COLUMNS, loads, row
from headrace.cli.output import Format, Printer, note, printable, rich_table, texts, turn
from headrace.cli.session import with_link
from headrace.cli.unused_queue import unused_lines
from headrace.contract.keys import check_queue_name
from headrace.contract.stats import QueueStats
from headrace.errors import HeadraceError
from headrace.wire.link import Link

_ENDS = b"qQ\x1b"


def top(queues: list[str], every: float, redis_url: str, output: Format) -> int:
    """Live on a terminal; else two looks, and what came between them."""
    names = [check_queue_name(queue) for queue in queues]
    live = output is Format.AUTO and sys.stdin.isatty() and sys.stdout.isatty()
    if live:
        with_link(redis_url, lambda link: _watch(link, names, every))
        return ExitCode.DONE
    seen, trouble, strange = with_link(redis_url, lambda link: _look_twice(link, names, every))
    Printer(output).rows(COLUMNS, [row(one) for one in seen], seen)
    for said in (*trouble, *strange):
        note(said)
    return ExitCode.FAILED if trouble else ExitCode.DONE


async def _look_twice(link: Link, names: list[str], every: float) -> tuple[list[Any], list[str], list[str]]:
    before, _ = await _look(link, names)
    await asyncio.sleep(every)
    after, trouble = await _look(link, names)
    return loads(before, after), trouble, unused_lines(after.values())


async def _look(link: Link, names: list[str]) -> tuple[dict[str, QueueStats], list[str]]:
    """The queues that could be read, and a line for each that could not. Raises QueueUnavailableError."""
    found = await stats_many(link, names)
    read = {queue: said for queue, said in found.items() if isinstance(said, QueueStats)}
    return read, [f"queue {queue}: {said}" for queue, said in found.items() if isinstance(said, HeadraceError)]


async def _watch(link: Link, names: list[str], every: float) -> None:
    """Until a key ends it; a server that goes away is waited for. Raises QueueUnavailableError at the start."""
    from rich.live import Live

    first, trouble = await _look(link, names)
    ended = asyncio.Event()
    with _keys(ended), Live(screen=True, auto_refresh=False) as live:
        live.update(_screen(live.console.width, first, first, trouble))
        async with asyncio.TaskGroup() as group:
            showing = group.create_task(_show(live, link, names, first, every))
            await ended.wait()
            showing.cancel()


async def _show(live: Any, link: Link, names: list[str], before: Mapping[str, QueueStats], every: float) -> None:
    now = before
    while True:
        live.refresh()
        await asyncio.sleep(every)
        try:
            before, (now, trouble) = now, await _look(link, names)
        except HeadraceError as error:
            trouble = [str(error)]
        live.update(_screen(live.console.width, before, now, trouble))


def _screen(width: int, before: Mapping[str, QueueStats], now: Mapping[str, QueueStats], trouble: list[str]) -> Any:
    from rich.console import Group
    from rich.text import Text

    said = [Text(printable(line), style="red") for line in (*trouble, *unused_lines(now.values()))]
    shown = rich_table("", *turn(COLUMNS, texts([row(one) for one in loads(before, now)]), width))
    return Group(shown, *said, Text("q ends", style="dim"))


@contextmanager
def _keys(ended: asyncio.Event) -> Iterator[None]:
    """Keys reach us one by one and unseen; one of _ENDS sets the event. The terminal is as before afterwards."""
    keyboard = sys.stdin.fileno()
    loop = asyncio.get_running_loop()
    was = termios.tcgetattr(keyboard)

    def read() -> None:
        typed = os.read(keyboard, 64)
        if not typed or any(key in _ENDS for key in typed):
            ended.set()

    tty.setcbreak(keyboard)
    loop.add_reader(keyboard, read)
    try:
        yield
    finally:
        loop.remove_reader(keyboard)
        termios.tcsetattr(keyboard, termios.TCSADRAIN, was)
