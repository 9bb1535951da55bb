"""`headrace dlq import`: the lines of an export are dead letters again, however many there are."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from headrace.admin.importing import LONGEST_LINE, read_letter
from headrace.admin.published import Schema
from headrace.admin.queue_admin import QueueAdmin
from headrace.cli.exit_codes import ExitCode
from headrace.cli.output import Format, Printer, note
from headrace.cli.session import with_queue
from headrace.cli.unused_queue import note_unused
from headrace.errors import UsageError

AT_ONCE = 100
"""Lines of one call …"""
MOST_BYTES = 4 * 1024 * 1024
"""… or so many bytes of them."""


def import_letters(queue: str, file: Path, *, unchecked: bool, redis_url: str, output: Format) -> int:
    """Lines that are none are left out, and named on stderr. Raises UsageError."""
    with _lines(file) as stream:
        told = with_queue(redis_url, queue, lambda admin: _Import(admin, stream).run(unchecked=unchecked))
    known = f"; {told.passed} passed over: the queue has them" if told.passed else ""
    bad = f"; {told.bad} lines left out" if told.bad else ""
    data = {"imported": told.imported, "passed_over": told.passed, "bad_lines": told.bad}
    Printer(output).say(f"{told.imported} imported{known}{bad}", data)
    return ExitCode.MISTAKE if told.bad else ExitCode.DONE


class _Import:
    """One file under way: a bounded part of it is in memory."""

    def __init__(self, admin: QueueAdmin, stream: IO[bytes]) -> None:
        self.imported = self.passed = self.bad = 0
        self._admin = admin
        self._stream = stream
        self._part: list[list[Any]] = []
        self._size = 0

    async def run(self, *, unchecked: bool) -> _Import:
        await note_unused(self._admin)
        schemas = {} if unchecked else await self._admin.published.schemas()
        for number, line in enumerate(self._whole_lines(), 1):
            if line is not None and not line.strip():
                continue
            try:
                self._part.append(_read(line, self._admin.queue, schemas))
            except UsageError as error:
                self.bad += 1
                note(f"line {number}: {error}")
                continue
            self._size += len(line or b"")
            if len(self._part) == AT_ONCE or self._size > MOST_BYTES:
                await self._bring_in()
        await self._bring_in()
        return self

    def _whole_lines(self) -> Iterator[bytes | None]:
        """None for one that is too long."""
        while line := self._stream.readline(LONGEST_LINE):
            too_long = len(line) == LONGEST_LINE and not line.endswith(b"\n")
            while too_long and (rest := self._stream.readline(LONGEST_LINE)) and not rest.endswith(b"\n"):
                pass
            yield None if too_long else line

    async def _bring_in(self) -> None:
        if self._part:
            passed = await self._admin.import_letters(self._part)
            self.passed += len(passed)
            self.imported += len(self._part) - len(passed)
        self._part, self._size = [], 0


def _read(line: bytes | None, queue: str, schemas: Mapping[str, Schema]) -> list[Any]:
    if line is None:
        raise UsageError(f"it has more than {LONGEST_LINE:,} bytes")
    return read_letter(line, queue, schemas)


@contextmanager
def _lines(path: Path) -> Iterator[IO[bytes]]:
    """Raises UsageError."""
    if str(path) == "-":
        yield sys.stdin.buffer
        return
    try:
        stream = path.open("rb")
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: {getattr(error, 'strerror', None) or error}") from None
    with stream:
        yield stream
