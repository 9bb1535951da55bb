"""The ledger of a million jobs: five bytes per event in one file, one write each; counted without an object per job.

Any number of processes may append, and a killed one leaves whole records: a write of five bytes with O_APPEND is one.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

START: Final = 0
END: Final = 1
_RECORD: Final = struct.Struct("<IB")
_CHUNK: Final = _RECORD.size * 100_000


class Tally:
    """For writing; open one per process."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def write(self, job: int, event: int) -> None:
        """One record."""
        assert os.write(self._fd, _RECORD.pack(job, event)) == _RECORD.size, "the disk is full"


@dataclass(frozen=True)
class Counted:
    """What the file says of jobs 0 … n-1."""

    jobs: int
    lost: int
    """Never ended."""
    starts: int
    most_starts: int
    """Of one job."""

    repeats: int
    """Starts beyond the first of each job."""


def count(path: Path, jobs: int) -> Counted:
    """Read it to its end. A job beyond `jobs` is an IndexError: nobody has enqueued it."""
    starts, ended = bytearray(jobs), bytearray(jobs)
    for chunk in _chunks(path):
        for job, event in _RECORD.iter_unpack(chunk):
            if event == START:
                starts[job] += 1
            else:
                ended[job] = 1
    repeats = sum(starts) - (jobs - starts.count(0))
    return Counted(jobs, ended.count(0), sum(starts), max(starts, default=0), repeats)


def size(path: Path) -> int:
    """Records so far."""
    return path.stat().st_size // _RECORD.size if path.exists() else 0


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk
