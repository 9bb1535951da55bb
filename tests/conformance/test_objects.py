"""The Resources contract, kept by those that need no API server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from conformance.objects_contract import QUEUES, RefusingObjectsContract, Shelf, Subject, document
from headrace_operator.objects.annotations import Annotations
from headrace_operator.objects.file import FileObjects, FileSchedules
from headrace_operator.objects.memory import MemoryObjects, MemorySchedules


class MemoryShelf(Shelf):
    objects: MemoryObjects | MemorySchedules

    async def apply(self, doc: dict[str, Any]) -> None:
        self.objects.apply(doc)

    async def delete(self, name: str) -> None:
        self.objects.delete(self.key(name))

    async def annotate(self, name: str, annotation: str, value: str | None) -> None:
        self.objects.annotate(self.key(name), annotation, value)


class TestMemoryObjects(RefusingObjectsContract):
    @pytest.fixture
    async def shelf(self, subject: Subject) -> Shelf:
        objects = MemoryObjects() if subject is QUEUES else MemorySchedules()
        objects.apply(subject.document())
        shelf = MemoryShelf(subject, objects)
        objects.subscribe(shelf.heard.append)
        return shelf


class FileShelf(Shelf):
    """Edits a YAML file, as people do, and tells that it was saved, as dev's watcher does."""

    objects: FileObjects | FileSchedules

    def __init__(self, subject: Subject, objects: FileObjects | FileSchedules, path: Path, home: Path) -> None:
        super().__init__(subject, objects)
        self._path = path
        self._home = home
        self._documents = {"emails": subject.document()}

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
        self._path.write_text(yaml.safe_dump_all([document("another"), *self._documents.values()]))
        self.objects.reload()


class TestFileObjects(RefusingObjectsContract):
    @pytest.fixture
    async def shelf(self, tmp_path: Path, subject: Subject) -> Shelf:
        path, home = tmp_path / "queue.yaml", tmp_path / ".headrace"
        for part in ("status", "annotations"):
            (home / part).mkdir(parents=True)
        path.write_text(yaml.safe_dump_all([document("another"), subject.document()]))
        objects = FileObjects(path, home) if subject is QUEUES else FileSchedules(path, home)
        shelf = FileShelf(subject, objects, path, home)
        objects.subscribe(shelf.heard.append)
        return shelf
