"""An id and a time of creation for each object of a YAML file, anew each time it is put in: as the API server gives."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from uuid import uuid4

from headrace_operator.api.names import ObjectKey
from headrace_operator.core.clock import timestamp
from headrace_operator.objects.annotations import file_name, write_atomically


class Uids:
    """Small files in one folder, which is made if need be. Raises OSError."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def of(self, key: ObjectKey) -> str:
        """The same again, from one process to the next, until it is forgotten."""
        path = self._folder / file_name(key)
        try:
            return path.read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            self._folder.mkdir(parents=True, exist_ok=True)
            made = str(uuid4())
            write_atomically(path, made)
            return made

    def created(self, key: ObjectKey) -> str:
        """When `of` made its id, as Kubernetes writes times: its file is written once."""
        return timestamp((self._folder / file_name(key)).stat().st_mtime)

    def keep_only(self, keys: Iterable[ObjectKey]) -> None:
        """Forget all others."""
        names = {file_name(key) for key in keys}
        for path in self._folder.glob("*.json"):
            if path.name not in names:
                path.unlink(missing_ok=True)
