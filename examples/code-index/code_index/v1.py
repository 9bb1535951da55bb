"""Version 1 takes a qualified name to be unique in its module, and every file to be Python.

Property setters, conditional definitions and a few test files say otherwise: their jobs end as dead letters.
"""

from __future__ import annotations

from code_index.discover import SourceFile
from code_index.parse import by_name, parse_file
from code_index.store import IndexedFile, connect
from code_index.tasks import build_fleet


def index(file: SourceFile) -> None:
    """Index one file. Raises DuplicateDefinitionError, or what `parse_file` raises."""
    definitions = parse_file(file.path)
    connect().replace(IndexedFile(file, by_name(definitions, file.module)))


fleet = build_fleet(index)
