"""Reads a YAML file with our resources: each document is one, or a refusal that names one, or a complaint about all."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Generic

import yaml

from headrace.errors import ConfigError
from headrace_operator.api.kinds import SCHEDULES, WORKER_QUEUES, Kind
from headrace_operator.api.names import API_VERSION, ObjectKey
from headrace_operator.api.resource import R
from headrace_operator.api.schedule import Schedule
from headrace_operator.api.worker_queue import WorkerQueue


@dataclass(frozen=True)
class Document(Generic[R]):
    """One object of the file: understood, or not and why."""

    key: ObjectKey
    raw: dict[str, Any]
    resource: R | None
    problem: str = ""


@dataclass(frozen=True)
class Documents:
    """All that a file says."""

    queues: list[Document[WorkerQueue]]
    schedules: list[Document[Schedule]]


ScheduleDocument = Document[Schedule]

_KINDS: Final = (WORKER_QUEUES.name, SCHEDULES.name)


def read_documents(path: Path) -> Documents:
    """The WorkerQueues in the file, and the Schedules.

    Raises ConfigError in one line where it can't even be said which they are: no such file, no YAML, no name.
    """
    queues, schedules = _read(path)
    if not queues:
        raise ConfigError(f"{path}: there is no WorkerQueue in it")
    return Documents(_documents(path, WORKER_QUEUES, queues), _documents(path, SCHEDULES, schedules))


def read_schedules(path: Path) -> list[ScheduleDocument]:
    """The Schedules in the file, be there WorkerQueues or not. Raises ConfigError as `read_documents` does."""
    return _documents(path, SCHEDULES, _read(path)[1])


def _read(path: Path) -> tuple[list[Any], list[Any]]:
    """What are Schedules, and what should be WorkerQueues, the latter first."""
    try:
        loaded = list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is no text in UTF-8") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: is no YAML: {_one_line(error)}") from None
    given = [one for one in loaded if one is not None]
    schedules = [one for one in given if isinstance(one, dict) and one.get("kind") == SCHEDULES.name]
    return [one for one in given if one not in schedules], schedules


def _documents(path: Path, kind: Kind[R], given: list[Any]) -> list[Document[R]]:
    keys = [key for key in map(_key, given) if key is not None]
    for key in keys:
        if keys.count(key) > 1:
            raise ConfigError(f"{path}: {kind.name} {key} is there {keys.count(key)} times")
    return [_document(path, kind, one) for one in given]


def _document(path: Path, kind: Kind[R], loaded: object) -> Document[R]:
    key = _key(loaded)
    try:
        if isinstance(loaded, dict) and _is_of_no_kind(loaded):
            raise ConfigError(f"kind: must be {' or '.join(_KINDS)}, got {json.dumps(loaded.get('kind'), default=str)}")
        found = kind.load(loaded)
    except ConfigError as error:
        if key is None or not isinstance(loaded, dict):
            raise ConfigError(f"{path}: {error}") from None
        return Document(key, loaded, None, str(error))
    assert isinstance(loaded, dict)
    return Document(found.key, loaded, found)


def _is_of_no_kind(loaded: dict[str, Any]) -> bool:
    return loaded.get("apiVersion") == API_VERSION and loaded.get("kind") not in _KINDS


def _key(loaded: object) -> ObjectKey | None:
    metadata = loaded.get("metadata") if isinstance(loaded, dict) else None
    if not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str):
        return None
    return ObjectKey(str(metadata.get("namespace") or "default"), metadata["name"])


def _one_line(error: yaml.YAMLError) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
        mark = error.problem_mark
        return f"line {mark.line + 1}, column {mark.column + 1}: {error.problem}"
    return " ".join(str(error).split())
