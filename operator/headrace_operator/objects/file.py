"""Our resources in a YAML file: the file is the source, editing it is the apply; status and requests lie beside it.

Has the API server's manners: generations, resource versions, preconditions. Watches nothing: its owner calls `reload`.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic

from pydantic import ValidationError

from headrace.errors import ConfigError
from headrace_operator.api.kinds import SCHEDULES, WORKER_QUEUES, Kind
from headrace_operator.api.names import ObjectKey
from headrace_operator.api.resource import R, S
from headrace_operator.api.schedule import Schedule
from headrace_operator.api.schedule_status import ScheduleStatus
from headrace_operator.api.status import WorkerQueueStatus
from headrace_operator.api.worker_queue import WorkerQueue
from headrace_operator.objects.annotations import Annotations, file_name, write_atomically
from headrace_operator.objects.documents import Document, Documents, read_documents
from headrace_operator.objects.uids import Uids
from headrace_operator.seams.errors import ObjectChangedError, ObjectGoneError, ObjectsUnavailableError
from headrace_operator.seams.objects import Applied, Deleted, EventKind, Refused


@dataclass
class _Stored(Generic[R, S]):
    document: Document[R]
    generation: int
    version: int
    annotations: dict[str, str]
    status: S | None
    uid: str
    created: str


class FileResources(ABC, Generic[R, S]):
    """Resources over one YAML file. `folder` has the subfolders `status` and `annotations`, and is this process's."""

    kept: ClassVar[tuple[str, ...]]
    """The fields of the status of an earlier run that matter: what was asked for must not run twice."""

    def __init__(self, kind: Kind[R], status: type[S], path: Path, folder: Path) -> None:
        """Raises ConfigError in one line for a file that is wrong in any way: nothing is running yet."""
        self.on_event: Callable[[ObjectKey, EventKind, str, str], None] = lambda *_: None
        """Hears the events."""
        self.on_problem: Callable[[str], None] = lambda _problem: None
        """Hears why the file can't be read; what was read before stays."""
        self._kind, self._status_model = kind, status
        self._path = path
        self._uids = Uids(folder / "uids")
        self._status = folder / "status"
        self._annotations = Annotations(folder / "annotations")
        self._stored: dict[ObjectKey, _Stored[R, S]] = {}
        self._subscribers: list[Callable[[Applied[R] | Refused | Deleted], None]] = []
        self._versions = 0
        documents = self._mine(read_documents(path))
        for document in documents:
            if document.resource is None:
                raise ConfigError(f"{path}: {document.problem}")
        self._take(documents)
        for left_over in self._status.glob("*.json"):
            if left_over.name not in {file_name(key) for key in self._stored}:
                left_over.unlink(missing_ok=True)

    @property
    def documents(self) -> list[Document[R]]:
        """What the file says now."""
        return [stored.document for stored in self._stored.values()]

    @abstractmethod
    def _mine(self, documents: Documents) -> list[Document[R]]:
        """Those of this kind."""

    def subscribe(self, on_change: Callable[[Applied[R] | Refused | Deleted], None]) -> None:
        """See Resources."""
        self._subscribers.append(on_change)
        for key in list(self._stored):
            on_change(self._change(key))

    def reload(self) -> None:
        """Look at the file and the annotations again."""
        try:
            documents = self._mine(read_documents(self._path))
        except ConfigError as error:
            self.on_problem(str(error))
            documents = self.documents
        self._take(documents)

    async def write_status(self, key: ObjectKey, resource_version: str, status: S) -> str:
        """See Resources."""
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

    async def emit(self, key: ObjectKey, kind: EventKind, reason: str, message: str) -> None:
        """See Resources."""
        self.on_event(key, kind, reason, message)

    async def accept(self, key: ObjectKey, value: str, request_id: str) -> bool:
        """See Requests."""
        stored = self._reach(key)
        try:
            with self._annotations.change(key) as found:
                noted = found.get(self._kind.accepted)
                if found.get(self._kind.request) != value or noted not in (None, request_id):
                    return False
                found[self._kind.accepted] = request_id
        except OSError as error:
            raise ObjectsUnavailableError(f"can't accept what is asked of {key}: {error}") from error
        self._reread(key, stored)
        return True

    async def finish(self, key: ObjectKey, request_id: str, value: str | None) -> None:
        """See Requests."""
        stored = self._reach(key)
        try:
            with self._annotations.change(key) as found:
                if found.get(self._kind.accepted) == request_id:
                    del found[self._kind.accepted]
                    if value is not None and found.get(self._kind.request) == value:
                        del found[self._kind.request]
        except OSError as error:
            raise ObjectsUnavailableError(f"can't end what was asked of {key}: {error}") from error
        self._reread(key, stored)

    def _take(self, documents: list[Document[R]]) -> None:
        """Make `documents` what is stored, and tell what is new."""
        keys = {document.key for document in documents}
        for key in [key for key in self._stored if key not in keys]:
            del self._stored[key]
            (self._status / file_name(key)).unlink(missing_ok=True)
            self._tell(Deleted(key))
        self._uids.keep_only(keys)
        for document in documents:
            stored = self._stored.get(document.key)
            if stored is None:
                annotations = self._said(document)
                uid = self._uids.of(document.key)
                stored = _Stored(
                    document, 1, 0, annotations, self._last_status(document.key), uid, self._uids.created(document.key)
                )
                self._stored[document.key] = stored
                self._touch(document.key, stored)
            elif stored.document.raw != document.raw:
                stored.generation += stored.document.raw.get("spec") != document.raw.get("spec")
                stored.document, stored.annotations = document, self._said(document)
                self._touch(document.key, stored)
            else:
                self._reread(document.key, stored)

    def _said(self, document: Document[R]) -> dict[str, str]:
        """Annotations in the YAML, then those beside it; a request is only made beside it, where it can end."""
        written = dict(document.resource.metadata.annotations) if document.resource else {}
        written.pop(self._kind.request, None)
        written.pop(self._kind.accepted, None)
        return written | self._annotations.read(document.key)

    def _reread(self, key: ObjectKey, stored: _Stored[R, S]) -> None:
        annotations = self._said(stored.document)
        if annotations != stored.annotations:
            stored.annotations = annotations
            self._touch(key, stored)

    def _last_status(self, key: ObjectKey) -> S | None:
        try:
            found: dict[str, Any] = json.loads((self._status / file_name(key)).read_text(encoding="utf-8"))
            return self._status_model.model_validate_json(json.dumps({name: found.get(name) for name in self.kept}))
        except (OSError, ValueError, AttributeError, ValidationError):
            return None

    def _reach(self, key: ObjectKey) -> _Stored[R, S]:
        stored = self._stored.get(key)
        if stored is None:
            raise ObjectGoneError(f"{key} was deleted")
        return stored

    def _touch(self, key: ObjectKey, stored: _Stored[R, S]) -> None:
        self._versions += 1
        stored.version = self._versions
        self._tell(self._change(key))

    def _change(self, key: ObjectKey) -> Applied[R] | Refused:
        stored = self._stored[key]
        found = stored.document.resource
        if found is None:
            return Refused(key, stored.document.problem, stored.generation, str(stored.version))
        metadata = found.metadata.model_copy(
            update={
                "uid": stored.uid,
                "creation_timestamp": stored.created,
                "generation": stored.generation,
                "resource_version": str(stored.version),
                "annotations": dict(stored.annotations),
            }
        )
        return Applied(found.model_copy(update={"metadata": metadata, "status": stored.status}))

    def _tell(self, change: Applied[R] | Refused | Deleted) -> None:
        for subscriber in self._subscribers:
            subscriber(change)


class FileObjects(FileResources[WorkerQueue, WorkerQueueStatus]):
    """The WorkerQueues of the file."""

    kept = ("replay",)

    def __init__(self, path: Path, folder: Path) -> None:
        super().__init__(WORKER_QUEUES, WorkerQueueStatus, path, folder)

    def _mine(self, documents: Documents) -> list[Document[WorkerQueue]]:
        return documents.queues


class FileSchedules(FileResources[Schedule, ScheduleStatus]):
    """The Schedules of the file."""

    kept = ("runNow", "lastScheduleTime")  # a Redis that has lost its data goes on after the latter

    def __init__(self, path: Path, folder: Path) -> None:
        super().__init__(SCHEDULES, ScheduleStatus, path, folder)

    def _mine(self, documents: Documents) -> list[Document[Schedule]]:
        return documents.schedules
