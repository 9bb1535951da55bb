"""Reads a file that other processes are appending to."""

from __future__ import annotations

from pathlib import Path


def whole_lines(path: Path) -> list[str]:
    """Its lines in order, none while it doesn't exist.

    One that has no end yet is left out: a reader may see the first part of an append, even of a single write.
    """
    if not path.exists():
        return []
    *whole, _ = path.read_bytes().split(b"\n")
    return [line.decode(errors="replace") for line in whole]
