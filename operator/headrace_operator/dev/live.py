"""The view for a terminal: one screen, drawn anew a few times a second. Pure rendering, but for the terminal itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from headrace_operator.api.names import QueueKey, ScheduleKey
from headrace_operator.api.schedule_status import ScheduleStatus
from headrace_operator.api.status import WorkerQueueStatus
from headrace_operator.core.schedule_summary import condition
from headrace_operator.dev.board import Board, Line
from headrace_operator.dev.plain import clock

_EVERY = 0.25
_WORTH_A_ROW = {("Ready", "False"), ("RedisAvailable", "False"), ("Paused", "True"), ("BreakerOpen", "True")}
_COLOURS = {"Current": "green", "Starting": "yellow", "Failing": "red", "Retiring": "cyan"}


async def show_live(board: Board, console: Console) -> None:
    """Until cancelled; then the terminal is as it was."""
    with Live(render(board, console.height), console=console, screen=True, auto_refresh=False) as live:
        while True:
            live.update(render(board, console.height), refresh=True)
            await asyncio.sleep(_EVERY)


def render(board: Board, height: int) -> RenderableType:
    """The screen."""
    parts: list[RenderableType] = [_header(board)]
    for key, status in sorted(board.statuses.items()):
        parts.append(_fleet(key, status))
    if board.schedules:
        parts.append(_schedules(board.schedules))
    used = (
        4
        + (len(board.schedules) + 2 if board.schedules else 0)
        + sum(7 + len(status.versions) + len(_reasons(status)) for status in board.statuses.values())
    )
    room = max(height - used - 4, 6)
    parts.append(_lines("events", list(board.events)[-(room // 2 + 1) :]))
    parts.append(_lines("workers", list(board.output)[-(room // 2) :]))
    return Group(*parts)


def _header(board: Board) -> Text:
    doing = "draining workers; Ctrl-C again ends them now" if board.stopping else "Ctrl-C drains the workers and ends"
    return Text.from_markup(
        f"[bold]headrace dev[/]  {clock(time.time())}  REDIS_URL={escape(board.redis)}  [dim]{doing}[/]"
    )


def _fleet(key: QueueKey, status: WorkerQueueStatus) -> Panel:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim")
    table.add_column()
    for name, text in _rows(status):
        table.add_row(name, text)
    return Panel(table, title=f"[bold]{escape(key.name)}[/]", title_align="left")


def _schedules(statuses: Mapping[ScheduleKey, ScheduleStatus]) -> Panel:
    table = Table.grid(padding=(0, 2))
    for key, status in sorted(statuses.items()):
        ready = condition(status)
        good = ready is not None and ready.status == "True"
        reason = f"[{'green' if good else 'yellow'}]{ready.reason if ready else ''}[/]"
        coming = status.next_schedule_time or ""
        about = status.description if good or ready is None else ready.message
        table.add_row(escape(key.name), reason, coming, escape(about))
    return Panel(table, title="schedules", title_align="left")


def _rows(status: WorkerQueueStatus) -> Iterable[tuple[str, str]]:
    numbers = status.queue
    if numbers is not None:
        dead = f"[red]{numbers.dead}[/]" if numbers.dead else "0"
        yield "jobs", f"{numbers.ready} ready  {numbers.leased} running  {numbers.scheduled} scheduled  {dead} dead"
    decision = status.last_decision
    if decision is not None:
        yield "workers", f"{decision.desired} wanted, {status.replicas} asked for, {status.ready_replicas} ready"
        yield "because", f"[bold]{decision.reason}[/]  {escape(decision.message)}"
    for version in status.versions:
        colour = _COLOURS.get(version.phase, "white")
        ending = f", {version.terminating} draining" if version.terminating else ""
        yield (
            f"version {version.hash}",
            f"[{colour}]{version.phase}[/]  {escape(version.app)}  {version.ready}/{version.desired} ready{ending}",
        )
    yield from _reasons(status)
    if status.replay is not None:
        replay = status.replay
        yield (
            "replay",
            f"{replay.phase}  {replay.replayed}/{replay.matched}  {escape(replay.message or replay.request)}",
        )
    for one in status.conditions:
        if (one.type, one.status) in _WORTH_A_ROW:
            yield one.type, f"[yellow]{one.status}[/]  {one.reason}: {escape(one.message)}"


def _reasons(status: WorkerQueueStatus) -> list[tuple[str, str]]:
    found = status.dead_letters.by_reason[:5] if status.dead_letters else ()
    return [
        ("dead of" if number == 0 else "", f"{escape(one.reason)}  {one.count}") for number, one in enumerate(found)
    ]


def _lines(title: str, lines: list[Line]) -> Panel:
    table = Table.grid(padding=(0, 1))
    # Without a least width the grid takes from these two what a long line lacks.
    table.add_column(style="dim", no_wrap=True, min_width=8)
    table.add_column(
        style="cyan", no_wrap=True, min_width=min(max((len(line.source) for line in lines), default=0), 24)
    )
    table.add_column(no_wrap=True, overflow="ellipsis")
    for line in lines:
        text = Text(line.text, style="yellow" if line.warning else "")
        table.add_row(clock(line.at), line.source, text)
    return Panel(table, title=title, title_align="left", border_style="dim")
