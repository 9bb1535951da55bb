"""An id for each object of a YAML file, another one each time it is put in: what the API server gives of itself."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from uuid import uuid4

from headrace_operator.api.names import ObjectKey
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

    def keep_only(self, keys: Iterable[ObjectKey]) -> None:
        """Forget all others."""
        names = {file_name(key) for key in keys}
        for path in self._folder.glob("*.json"):
            if path.name not in names:
                path.unlink(missing_ok=True)
