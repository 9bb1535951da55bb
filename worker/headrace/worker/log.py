"""Log lines: JSON, one object a line, or a console form for people. Buffered, so that a job's line costs microseconds.

A line never holds a payload. An error's message can quote one, so JSON lines carry its class and place only; the
message is kept with the job in Redis. The console form, for one's own terminal, shows it.
"""

from __future__ import annotations

import atexit
import os
import sys
import time
from typing import Any, Final, TextIO

import msgspec

LEVELS: Final = {"debug": 10, "info": 20, "warning": 30, "error": 40}
JOB_LINES_PER_SECOND: Final = 100
FLUSH_AT: Final = 200

_encode = msgspec.json.Encoder().encode
_COLOURS: Final = {"debug": "2", "info": "32", "warning": "33", "error": "31"}


class Log:
    """Writes to stderr. `bind` gives a log whose lines all carry more fields."""

    def __init__(
        self, level: str = "info", form: str = "auto", jobs: str = "auto", stream: TextIO | None = None
    ) -> None:
        self._stream = stream or sys.stderr
        self.console = form == "console" or (form == "auto" and self._stream.isatty())
        self._least = LEVELS[level]
        self._buffer: list[bytes] = []
        self._fields: dict[str, object] = {}
        self._job_budget = {"auto": JOB_LINES_PER_SECOND, "all": sys.maxsize, "none": 0}[jobs]
        self._job_second_ends = 0.0
        self._job_lines = 0
        self._left_out = 0
        atexit.register(self.flush)

    def set_fields(self, **fields: object) -> None:
        """Fields that every line carries."""
        self._fields.update(fields)

    def debug(self, event: str, **fields: object) -> None:
        """Details for development."""
        self._write("debug", event, fields)

    def info(self, event: str, **fields: object) -> None:
        """What a healthy worker does."""
        self._write("info", event, fields)

    def warning(self, event: str, **fields: object) -> None:
        """Something failed and is taken care of."""
        self._write("warning", event, fields)

    def error(self, event: str, **fields: object) -> None:
        """Someone should look."""
        self._write("error", event, fields)

    @property
    def wants_jobs(self) -> bool:
        """Whether lines about ordinary runs are to be written at all."""
        return self._job_budget > 0 and self._least <= LEVELS["info"]

    def has_room_for_job(self, now: float) -> bool:
        """Whether this second's budget has room for a line about an ordinary run; if not, the line is counted.

        `now`: seconds of any steady clock. Asked before a line is put together: a line left out costs next to nothing.
        """
        if now >= self._job_second_ends:
            self._report_left_out()
            self._job_second_ends, self._job_lines = now + 1, 0
        self._job_lines += 1
        if self._job_lines <= self._job_budget:
            return True
        self._left_out += 1
        return False

    def job(self, event: str, fields: dict[str, object]) -> None:
        """A line about an ordinary run, for which there was room."""
        self._write("info", event, fields)

    def _report_left_out(self) -> None:
        if self._left_out:
            left_out, self._left_out = self._left_out, 0
            self._write("info", "job lines left out", {"lines": left_out, "hint": "LOG_JOBS=all writes every one"})

    def _write(self, level: str, event: str, fields: dict[str, Any]) -> None:
        if LEVELS[level] < self._least:
            return
        now = time.time()
        if self.console:
            self._buffer.append(self._for_people(now, level, event, fields))
        else:
            shown = {name: value for name, value in fields.items() if name != "message"}
            line = {"time": _iso(now), "level": level, "event": event, **self._fields, **shown}
            self._buffer.append(_encode(line) + b"\n")
        if len(self._buffer) >= FLUSH_AT or level == "error":
            self.flush()

    def _for_people(self, now: float, level: str, event: str, fields: dict[str, Any]) -> bytes:
        clock = time.strftime("%H:%M:%S", time.localtime(now))
        tail = " ".join(f"{name}={_short(value)}" for name, value in fields.items())
        mark = f"\x1b[{_COLOURS[level]}m{level:<7}\x1b[0m" if self._stream.isatty() else f"{level:<7}"
        return f"{clock} {mark} {event}{'  ' if tail else ''}{tail}\n".encode()

    def flush(self, *, last: bool = False) -> None:
        """Write what is buffered; the worker calls it a few times a second, and once at its end."""
        if self._left_out and (last or time.monotonic() >= self._job_second_ends):
            self._report_left_out()
        if not self._buffer:
            return
        data, self._buffer = b"".join(self._buffer), []
        try:
            self._stream.flush()
            _write_all(self._stream.fileno(), data)
        except (OSError, ValueError):
            return  # nobody reads our stderr any more; that must not stop a job


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _iso(now: float) -> str:
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))
    return f"{whole}.{int(now % 1 * 1000):03d}Z"


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
