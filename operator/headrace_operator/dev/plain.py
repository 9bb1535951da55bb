"""The view for pipes and logs: one line per transition, workers' lines prefixed."""

from __future__ import annotations

import sys
import time

from headrace_operator.dev.board import Board, Line


def show_plainly(board: Board, since: float = 0) -> None:
    """Print what has happened since that time (Unix seconds), and everything from now on."""
    for line in board.events:
        if line.at >= since:
            _print_event(line)
    board.on_event = _print_event
    board.on_output = _print_output


def _print_event(line: Line) -> None:
    mark = "! " if line.warning else ""
    _print(f"{clock(line.at)} {line.source}: {mark}{line.text}")


def _print_output(line: Line) -> None:
    _print(f"{line.source} | {line.text}")


def _print(text: str) -> None:
    try:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
    except OSError:
        return  # nobody reads any more; the fleet goes on


def clock(at: float) -> str:
    """The time of day."""
    return time.strftime("%H:%M:%S", time.localtime(at))
