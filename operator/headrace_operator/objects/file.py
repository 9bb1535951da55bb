"""WorkerQueues in a YAML file: the file is the source, editing it is the apply; status and requests lie beside it.

Has the API server's manners: generations, resource versions, preconditions. Watches nothing: its owner calls `reload`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from headrace.errors import ConfigError
from headrace_operator.api.names import REPLAY_ANNOTATION, REPLAY_ID_ANNOTATION, QueueKey
from headrace_operator.api.status import WorkerQueueStatus
from headrace_operator.objects.annotations import Annotations, file_name, write_atomically
from headrace_operator.objects.documents import Document, read_documents
from headrace_operator.seams.errors import ObjectChangedError, ObjectGoneError, ObjectsUnavailableError
from headrace_operator.seams.objects import Applied, Change, Deleted, EventKind, Refused


@dataclass
class _Stored:
    document: Document
    generation: int
    version: int
    annotations: dict[str, str]
    status: WorkerQueueStatus | None


class FileObjects:
    """Objects over one YAML file. `folder` has the subfolders `status` and `annotations`, and is this process's."""

    def __init__(self, path: Path, folder: Path) -> None:
        """Raises ConfigError in one line for a file that is wrong in any way: nothing is running yet."""
        self.on_event: Callable[[QueueKey, EventKind, str, str], None] = lambda *_: None
        """Hears the events."""
        self.on_problem: Callable[[str], None] = lambda _problem: None
        """Hears why the file can't be read; what was read before stays."""
        self._path = path
        self._status = folder / "status"
        self._annotations = Annotations(folder / "annotations")
        self._stored: dict[QueueKey, _Stored] = {}
        self._subscribers: list[Callable[[Change], None]] = []
        self._versions = 0
        documents = read_documents(path)
        for document in documents:
            if document.queue is None:
                raise ConfigError(f"{path}: {document.problem}")
        self._take(documents)
        for left_over in self._status.glob("*.json"):
            if left_over.name not in {file_name(key) for key in self._stored}:
                left_over.unlink(missing_ok=True)

    @property
    def documents(self) -> list[Document]:
        """What the file says now."""
        return [stored.document for stored in self._stored.values()]

    def subscribe(self, on_change: Callable[[Change], None]) -> None:
        """See Objects."""
        self._subscribers.append(on_change)
        for key in list(self._stored):
            on_change(self._change(key))

    def reload(self) -> None:
        """Look at the file and the annotations again."""
        try:
            documents = read_documents(self._path)
        except ConfigError as error:
            self.on_problem(str(error))
            documents = self.documents
        self._take(documents)

    async def write_status(self, key: QueueKey, resource_version: str, status: WorkerQueueStatus) -> str:
        """See Objects."""
        stored = self._reach(key)
        if resource_version != str(stored.version):
            raise ObjectChangedError(f"{key} is at {stored.version}, not {resource_version}")
        try:
            write_atomically(self._status / file_name(key), json.dumps(status.document(), indent=1))
        except OSError as error:
            raise ObjectsUnavailableError(f"can't write the status of {key}: {error}") from error
        stored.status = status
        self._touch(key, stored)
        return str(stored.version)

    async def emit(self, key: QueueKey, kind: EventKind, reason: str, message: str) -> None:
        """See Objects."""
        self.on_event(key, kind, reason, message)

    async def accept(self, key: QueueKey, value: str, request_id: str) -> bool:
        """See ReplayRequests."""
        stored = self._reach(key)
        try:
            with self._annotations.change(key) as found:
                noted = found.get(REPLAY_ID_ANNOTATION)
                if found.get(REPLAY_ANNOTATION) != value or noted not in (None, request_id):
                    return False
                found[REPLAY_ID_ANNOTATION] = request_id
        except OSError as error:
            raise ObjectsUnavailableError(f"can't accept the replay of {key}: {error}") from error
        self._reread(key, stored)
        return True

    async def finish(self, key: QueueKey, request_id: str) -> None:
        """See ReplayRequests."""
        stored = self._reach(key)
        try:
            with self._annotations.change(key) as found:
                if found.get(REPLAY_ID_ANNOTATION) == request_id:
                    del found[REPLAY_ID_ANNOTATION]
                    found.pop(REPLAY_ANNOTATION, None)
        except OSError as error:
            raise ObjectsUnavailableError(f"can't end the replay of {key}: {error}") from error
        self._reread(key, stored)

    def _take(self, documents: list[Document]) -> None:
        """Make `documents` what is stored, and tell what is new."""
        keys = {document.key for document in documents}
        for key in [key for key in self._stored if key not in keys]:
            del self._stored[key]
            (self._status / file_name(key)).unlink(missing_ok=True)
            self._tell(Deleted(key))
        for document in documents:
            stored = self._stored.get(document.key)
            if stored is None:
                annotations = self._said(document)
                stored = _Stored(document, 1, 0, annotations, self._last_status(document.key))
                self._stored[document.key] = stored
                self._touch(document.key, stored)
            elif stored.document.raw != document.raw:
                stored.generation += stored.document.raw.get("spec") != document.raw.get("spec")
                stored.document, stored.annotations = document, self._said(document)
                self._touch(document.key, stored)
            else:
                self._reread(document.key, stored)

    def _said(self, document: Document) -> dict[str, str]:
        """Annotations in the YAML, then those beside it; a replay is only asked for beside it, where it can end."""
        written = dict(document.queue.metadata.annotations) if document.queue else {}
        written.pop(REPLAY_ANNOTATION, None)
        written.pop(REPLAY_ID_ANNOTATION, None)
        return written | self._annotations.read(document.key)

    def _reread(self, key: QueueKey, stored: _Stored) -> None:
        annotations = self._said(stored.document)
        if annotations != stored.annotations:
            stored.annotations = annotations
            self._touch(key, stored)

    def _last_status(self, key: QueueKey) -> WorkerQueueStatus | None:
        """Of an earlier run only the replay matters: it must not run twice."""
        try:
            found: dict[str, Any] = json.loads((self._status / file_name(key)).read_text(encoding="utf-8"))
            return WorkerQueueStatus.model_validate_json(json.dumps({"replay": found.get("replay")}))
        except (OSError, ValueError, AttributeError, ValidationError):
            return None

    def _reach(self, key: QueueKey) -> _Stored:
        stored = self._stored.get(key)
        if stored is None:
            raise ObjectGoneError(f"{key} was deleted")
        return stored

    def _touch(self, key: QueueKey, stored: _Stored) -> None:
        self._versions += 1
        stored.version = self._versions
        self._tell(self._change(key))

    def _change(self, key: QueueKey) -> Change:
        stored = self._stored[key]
        queue = stored.document.queue
        if queue is None:
            return Refused(key, stored.document.problem, stored.generation, str(stored.version))
        metadata = queue.metadata.model_copy(
            update={
                "generation": stored.generation,
                "resource_version": str(stored.version),
                "annotations": dict(stored.annotations),
            }
        )
        return Applied(queue.model_copy(update={"metadata": metadata, "status": stored.status}))

    def _tell(self, change: Change) -> None:
        for subscriber in self._subscribers:
            subscriber(change)
