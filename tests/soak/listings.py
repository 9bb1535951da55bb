"""Every listing of the command line beside a million dead letters: a process each, from its start to its end.

A dry run or a list by attempts or payload looks at letters one by one; a list of those ends after some and says so, a
dry run doesn't, so it is not among these.
"""

from __future__ import annotations

import fcntl
import os
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from threading import Thread
from typing import Final

from headrace.admin.queue_admin import QueueAdmin
from headrace.contract.protocol import State
from support.lab import Lab
from support.seeding import Seeder

TIMES: Final = 7
MOST_MS: Final = 200.0
"""What each of them may take, by its median."""
WAITING: Final = 1_000
"""Jobs in each state that can be listed without a limit's or a workflow's help."""
LEASED: Final = 100
SCHEDULES: Final = 100
COLUMNS: Final = 120
"""Of the terminal that shows tables."""
HEADRACE: Final = Path(sys.executable).with_name("headrace")
QUEUE: Final = "jobs"


@dataclass(frozen=True)
class Line:
    """One command line; on a terminal it shows a table."""

    words: tuple[str, ...]
    terminal: bool = False

    @property
    def name(self) -> str:
        """As the record has it."""
        return " ".join(self.words) + (" on a terminal" if self.terminal else "")


def lines(*, middle_us: int, reason: str, task: str, dead: str) -> Iterator[Line]:
    """All of them. `middle_us`: when the letter in the middle died; `dead`: one of them."""
    shown: tuple[tuple[str, ...], ...] = (
        ("stats", QUEUE),
        ("jobs", QUEUE),
        ("show", QUEUE, "ready-7"),
        ("dlq", "list", QUEUE),
        ("dlq", "list", QUEUE, "--by-reason"),
        ("dlq", "show", QUEUE, dead),
        ("dlq", "replay", QUEUE, "--all", "--dry-run"),
        ("schedules", "list", QUEUE),
    )
    for words in shown:
        yield Line(words)
        yield Line(words, terminal=True)
        yield from (Line((*words, "-o", form)) for form in ("json", "yaml"))
    yield from (Line(("jobs", QUEUE, "--state", state)) for state in State if state is not State.DONE)
    yield Line(("jobs", QUEUE, "--state", State.DEAD, "--limit", "1000"))
    yield Line(("show", QUEUE, dead))
    yield Line(("limit", QUEUE))
    filters = (
        ("--reason", reason),
        ("--task", task, "--newest"),
        ("--task", task, "--reason", reason),
        ("--since", "1h", "--limit", "1000"),
        ("--older-than", "1s"),
        ("--cursor", str(middle_us)),
        ("--attempts", "3"),
        ("--attempts", "9.."),
        ("--where", "to=nobody"),
        ("--by-reason", "--since", "1h"),
    )
    yield from (Line(("dlq", "list", QUEUE, *words)) for words in filters)
    dry_runs = (("replay", "--reason", reason), ("replay", "--all", "--max-replays", "3"), ("delete", "--task", task))
    yield from (Line(("dlq", verb, QUEUE, *words, "--dry-run")) for verb, *words in dry_runs)


async def measure(lab: Lab, asked: Sequence[Line]) -> dict[str, float]:
    """Milliseconds of each, by the median; what is listed beside the letters is there for as long."""
    holder = await _fill(lab)
    environ = {name: value for name, value in os.environ.items() if name not in _LEFT_OUT}
    environ |= {"REDIS_URL": lab.url, "TERM": "xterm"}
    taken: dict[str, list[float]] = {line.name: [] for line in asked}
    for _ in range(TIMES):
        for line in asked:
            taken[line.name].append(run(line, environ))
    await _clear(lab, holder)
    return {name: round(median(found), 1) for name, found in taken.items()}


_LEFT_OUT: Final = ("PYTHONDONTWRITEBYTECODE", "COLUMNS", "NO_COLOR", "FORCE_COLOR")
"""What would make it another command than people have."""


def run(line: Line, environ: Mapping[str, str], *, code: int = 0) -> float:
    """Milliseconds of one; whatever it writes is read. Raises AssertionError when it ends otherwise."""
    reading, writing = _terminal() if line.terminal else os.pipe()
    reader = Thread(target=_drain, args=(reading,))
    reader.start()
    begun = time.perf_counter()
    child = subprocess.Popen(
        [HEADRACE, *line.words], stdin=subprocess.DEVNULL, stdout=writing, stderr=subprocess.PIPE, env=environ
    )
    _, said = child.communicate()
    taken = (time.perf_counter() - begun) * 1000
    os.close(writing)
    reader.join()
    os.close(reading)
    assert child.returncode == code, (line.name, said.decode())
    return taken


def _terminal() -> tuple[int, int]:
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, COLUMNS, 0, 0))
    return ours, theirs


def _drain(reading: int) -> None:
    try:
        while os.read(reading, 1 << 16):
            pass
    except OSError:  # a terminal that nobody holds any more
        return


async def _fill(lab: Lab) -> Seeder:
    """Jobs in the states that a listing may ask for, and Schedules. Their worker's session is returned."""
    holder = Seeder(lab.link, QUEUE, sid="holder")
    await holder.join(lease_ms=3_600_000)
    await holder.enqueue(*(f"leased-{i}" for i in range(LEASED)))
    assert len(await holder.exchange(LEASED)) == LEASED
    await holder.enqueue(*(f"ready-{i}" for i in range(WAITING)))
    await holder.enqueue(*(f"scheduled-{i}" for i in range(WAITING)), delay_ms=3_600_000)
    schedules = QueueAdmin(lab.link, QUEUE).schedules
    for i in range(SCHEDULES):
        await schedules.settle_terms(f"uid-{i}", name=f"schedule-{i}", timing="t", suspended=False, created_ms=1)
    return holder


async def _clear(lab: Lab, holder: Seeder) -> None:
    """Nothing but the letters is left."""
    admin = QueueAdmin(lab.link, QUEUE)
    await holder.run("leave", holder.sid)
    await admin.control.purge()
    for i in range(SCHEDULES):
        await admin.schedules.forget(f"uid-{i}")
    stats = await admin.stats()
    assert stats.ready + stats.scheduled + stats.leased == 0, stats
