"""Version 2 tells definitions apart by name and line, and records in the index why a file can't be parsed."""

from __future__ import annotations

from code_index.discover import SourceFile
from code_index.parse import UNPARSABLE, by_name_and_line, parse_file
from code_index.store import IndexedFile, connect
from code_index.tasks import build_fleet


def index(file: SourceFile) -> None:
    """Index one file, or its error. Raises OSError when it can't be read."""
    try:
        definitions = parse_file(file.path)
    except UNPARSABLE as exc:
        connect().replace(IndexedFile(file, error=f"{type(exc).__name__}: {exc}"))
    else:
        connect().replace(IndexedFile(file, by_name_and_line(definitions)))


fleet = build_fleet(index)
