"""Reads a YAML file with WorkerQueues: each document is one, or a refusal that names one, or a complaint about all."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from headrace.errors import ConfigError
from headrace_operator.api.names import QueueKey
from headrace_operator.api.worker_queue import WorkerQueue, load_worker_queue


@dataclass(frozen=True)
class Document:
    """One WorkerQueue of the file: understood, or not and why."""

    key: QueueKey
    raw: dict[str, Any]
    queue: WorkerQueue | None
    problem: str = ""


def read_documents(path: Path) -> list[Document]:
    """The WorkerQueues in the file.

    Raises ConfigError in one line where it can't even be said which they are: no such file, no YAML, no name.
    """
    try:
        loaded = list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is no text in UTF-8") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: is no YAML: {_one_line(error)}") from None
    documents = [_document(path, one) for one in loaded if one is not None]
    if not documents:
        raise ConfigError(f"{path}: there is no WorkerQueue in it")
    keys = [document.key for document in documents]
    for key in keys:
        if keys.count(key) > 1:
            raise ConfigError(f"{path}: {key} is there {keys.count(key)} times")
    return documents


def _document(path: Path, loaded: object) -> Document:
    key = _key(loaded)
    try:
        queue = load_worker_queue(loaded)
    except ConfigError as error:
        if key is None or not isinstance(loaded, dict):
            raise ConfigError(f"{path}: {error}") from None
        return Document(key, loaded, None, str(error))
    assert isinstance(loaded, dict)
    return Document(queue.key, loaded, queue)


def _key(loaded: object) -> QueueKey | None:
    metadata = loaded.get("metadata") if isinstance(loaded, dict) else None
    if not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str):
        return None
    return QueueKey(str(metadata.get("namespace") or "default"), metadata["name"])


def _one_line(error: yaml.YAMLError) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
        mark = error.problem_mark
        return f"line {mark.line + 1}, column {mark.column + 1}: {error.problem}"
    return " ".join(str(error).split())
