"""The Objects contract, kept by those that need no API server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from conformance.objects_contract import RefusingObjectsContract, Shelf, document
from headrace_operator.objects.annotations import Annotations
from headrace_operator.objects.file import FileObjects
from headrace_operator.objects.memory import MemoryObjects


class MemoryShelf(Shelf):
    objects: MemoryObjects

    async def apply(self, doc: dict[str, Any]) -> None:
        self.objects.apply(doc)

    async def delete(self, name: str) -> None:
        self.objects.delete(self.key(name))

    async def annotate(self, name: str, annotation: str, value: str | None) -> None:
        self.objects.annotate(self.key(name), annotation, value)


class TestMemoryObjects(RefusingObjectsContract):
    @pytest.fixture
    async def shelf(self) -> Shelf:
        objects = MemoryObjects()
        objects.apply(document())
        shelf = MemoryShelf(objects)
        objects.subscribe(shelf.heard.append)
        return shelf


class FileShelf(Shelf):
    """Edits a YAML file, as people do, and tells that it was saved, as dev's watcher does."""

    objects: FileObjects

    def __init__(self, objects: FileObjects, path: Path, home: Path) -> None:
        super().__init__(objects)
        self._path = path
        self._home = home
        self._documents = {"emails": document()}

    async def apply(self, doc: dict[str, Any]) -> None:
        self._documents[doc["metadata"]["name"]] = doc
        self._save()

    async def delete(self, name: str) -> None:
        del self._documents[name]
        self._save()

    async def annotate(self, name: str, annotation: str, value: str | None) -> None:
        with Annotations(self._home / "annotations").change(self.key(name)) as found:
            found.pop(annotation, None)
            if value is not None:
                found[annotation] = value
        self.objects.reload()

    def _save(self) -> None:
        self._path.write_text(yaml.safe_dump_all(self._documents.values()))
        self.objects.reload()


class TestFileObjects(RefusingObjectsContract):
    @pytest.fixture
    async def shelf(self, tmp_path: Path) -> Shelf:
        path, home = tmp_path / "queue.yaml", tmp_path / ".headrace"
        for part in ("status", "annotations"):
            (home / part).mkdir(parents=True)
        path.write_text(yaml.safe_dump(document()))
        objects = FileObjects(path, home)
        shelf = FileShelf(objects, path, home)
        objects.subscribe(shelf.heard.append)
        return shelf
