"""The application's code as a version has it: a hash over the source files, and a copy that later saves don't touch.

A worker that starts anew after a crash, or is added to an old version, runs the code its version was made of.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from headrace.errors import ConfigError
from headrace_operator.api.spec import WorkerQueueSpec
from headrace_operator.core.version import LENGTH, version_hash

MOST_FILES = 5_000
_SKIPPED = frozenset({"__pycache__", "node_modules", "site-packages", "dist-packages"})


class Code:
    """The Python files below a folder. `refresh` reads and copies; the rest only looks up."""

    def __init__(self, folder: Path, copies: Path) -> None:
        """`copies`: a folder of its own for the copies, emptied at first. Raises ConfigError."""
        self._folder = folder
        self._copies = copies
        shutil.rmtree(copies, ignore_errors=True)
        self._hash = ""
        self._of_version: dict[str, Path] = {}
        self.refresh()

    def refresh(self) -> bool:
        """Read the files; whether they have changed. Blocks for some milliseconds. Raises ConfigError."""
        sources = _read(self._folder)
        found = _digest(sources)
        if found == self._hash:
            return False
        if found:
            _copy(self._folder, sources, self._copies / found)
        self._hash = found
        return True

    def version_of(self, spec: WorkerQueueSpec) -> str:
        """The version that `spec` and the code make together; the spec's alone where there is no code."""
        if not self._hash:
            return version_hash(spec)
        both = f"{version_hash(spec)} {self._hash}"
        version = hashlib.sha256(both.encode()).hexdigest()[:LENGTH]
        self._of_version[version] = self._copies / self._hash
        return version

    def folders(self, version: str) -> tuple[Path, ...]:
        """Where to import that version's code from."""
        found = self._of_version.get(version)
        return (found,) if found else ()


def is_source(path: Path) -> bool:
    """A Python file, as far as its name says."""
    return path.suffix == ".py"


def is_skipped(name: str) -> bool:
    """Folders that hold no code of the application."""
    return name.startswith(".") or name in _SKIPPED


def _read(folder: Path) -> dict[Path, bytes]:
    """The files' contents by path below `folder`, in order."""
    sources: dict[Path, bytes] = {}
    for path in _walk(folder):
        if len(sources) == MOST_FILES:
            raise ConfigError(
                f"more than {MOST_FILES:,} Python files below {folder}; put the YAML beside the application"
            )
        try:
            sources[path.relative_to(folder)] = path.read_bytes()
        except OSError:
            continue  # an editor has just put another in its place; its change is heard too
    return sources


def _walk(folder: Path) -> Iterator[Path]:
    for here, subfolders, names in os.walk(folder):
        subfolders[:] = sorted(
            name for name in subfolders if not is_skipped(name) and not Path(here, name, "pyvenv.cfg").exists()
        )
        yield from (Path(here, name) for name in sorted(names) if is_source(Path(name)))


def _digest(sources: dict[Path, bytes]) -> str:
    if not sources:
        return ""
    digest = hashlib.sha256()
    for path, content in sources.items():
        digest.update(f"{path}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()[:16]


def _copy(folder: Path, sources: dict[Path, bytes], target: Path) -> None:
    """The sources as files, everything beside them as links, so that data is found where the code expects it."""
    if target.exists():
        return
    unfinished = target.with_name(f"{target.name}.part")
    shutil.rmtree(unfinished, ignore_errors=True)
    for here in sorted({path.parent for source in sources for path in (source, *source.parents[:-1])}):
        (unfinished / here).mkdir(parents=True, exist_ok=True)
    for path, content in sources.items():
        (unfinished / path).write_bytes(content)
    for here in [path for path in unfinished.rglob("*") if path.is_dir()] + [unfinished]:
        _link_the_rest(folder / here.relative_to(unfinished), here)
    unfinished.rename(target)


def _link_the_rest(original: Path, copy: Path) -> None:
    for entry in original.iterdir():
        beside = copy / entry.name
        if not is_skipped(entry.name) and not beside.exists():
            beside.symlink_to(entry.absolute())
