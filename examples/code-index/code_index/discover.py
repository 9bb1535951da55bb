"""Which source files are indexed, and the id of each. Lists files; opens none."""

from __future__ import annotations

import hashlib
import os
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

MAX_PACKAGE_FILES = 1_000
"""A package with more source files is left out: nobody writes that many, an API client's generator does."""

SKIPPED_FOLDERS = frozenset({"__pycache__", "site-packages", "dist-packages", "_vendor"})
"""Caches, copies of other packages, and what is installed below the standard library: a root of its own."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file to index; `module` is the dotted name it is imported by."""

    path: str
    module: str

    @property
    def id(self) -> str:
        """16 hex digits, the same whenever and wherever this path is listed."""
        return hashlib.sha256(self.path.encode()).hexdigest()[:16]


def source_files() -> list[SourceFile]:
    """The whole standard library, its tests included, and the environment's packages; each file once."""
    library = Path(sysconfig.get_path("stdlib"))
    site = {Path(sysconfig.get_path(name)) for name in ("purelib", "platlib")}
    files = list(files_below(library))
    for root in sorted(site):
        files += written_by_hand(root)
    return files


def written_by_hand(root: Path) -> Iterator[SourceFile]:
    """The files below `root`, less those of packages over MAX_PACKAGE_FILES."""
    for _, files in groupby(files_below(root), key=lambda file: file.module.partition(".")[0]):
        package = list(files)
        if len(package) <= MAX_PACKAGE_FILES:
            yield from package


def files_below(root: Path) -> Iterator[SourceFile]:
    """Every `.py` file below `root`, folder by folder in the order of their names."""
    for folder, subfolders, names in os.walk(root):
        subfolders[:] = sorted(set(subfolders) - SKIPPED_FOLDERS)
        for name in sorted(names):
            if name.endswith(".py"):
                path = Path(folder, name)
                yield SourceFile(str(path), module_name(path.relative_to(root)))


def module_name(relative: Path) -> str:
    """`email/mime/__init__.py` is imported as `email.mime`."""
    parts = relative.with_suffix("").parts
    if parts[-1] == "__init__" and len(parts) > 1:
        parts = parts[:-1]
    return ".".join(parts)
