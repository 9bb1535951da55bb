"""Annotations as small files, one per object: where a replay or a run is asked for without an API server.

Written by several processes (`headrace dev` and whoever asks), so each change holds a lock.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from headrace_operator.api.names import ObjectKey


def file_name(key: ObjectKey) -> str:
    """`<name>.json`, with the namespace in front unless it is the default one."""
    return f"{key.name}.json" if key.namespace == "default" else f"{key.namespace}.{key.name}.json"


def write_atomically(path: Path, text: str) -> None:
    """Whoever reads `path` sees all of `text` or what was there before. Raises OSError."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


class Annotations:
    """The files in one folder, which must exist. Raises OSError."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, key: ObjectKey) -> dict[str, str]:
        """All annotations of an object; none if its file makes no sense."""
        try:
            found = json.loads((self.folder / file_name(key)).read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return {}
        return {str(name): str(value) for name, value in found.items()} if isinstance(found, dict) else {}

    @contextmanager
    def change(self, key: ObjectKey) -> Iterator[dict[str, str]]:
        """The annotations, written back when the block ends; nobody else writes meanwhile."""
        with (self.folder / ".lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            found = self.read(key)
            before = dict(found)
            yield found
            if found != before:
                self._write(key, found)

    def _write(self, key: ObjectKey, found: Mapping[str, str]) -> None:
        path = self.folder / file_name(key)
        if found:
            write_atomically(path, json.dumps(found))
        else:
            path.unlink(missing_ok=True)
