"""What the workers of a queue have published of its tasks, and whether arguments fit it. Imports no user code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from headrace.admin.handle import QueueHandle
from headrace.client.uniqueness import MAX_KEY
from headrace.contract.protocol import LIMIT_KEY_FIELD
from headrace.errors import PayloadError, UnknownTaskError

Schema = Mapping[str, Any]


class Published:
    """The tasks of one queue as its workers last described them."""

    def __init__(self, handle: QueueHandle) -> None:
        self._handle = handle

    async def schemas(self) -> dict[str, Schema]:
        """Task → JSON Schema of its arguments, `{}` where it has none; empty before the first worker has started."""
        flat = await self._handle.request("HGETALL", "schemas")
        return {flat[i].decode(): msgspec.json.decode(flat[i + 1]) for i in range(0, len(flat), 2)}


def limit_key_of(schema: object) -> str:
    """The limit key of all jobs of a task, where its workers have said one; else '', also where it makes no sense."""
    key = schema.get(LIMIT_KEY_FIELD) if isinstance(schema, Mapping) else None
    if not isinstance(key, str):
        return ""
    try:
        return key if len(key.encode()) <= MAX_KEY else ""
    except UnicodeEncodeError:
        return ""


def check_arguments(
    schemas: Mapping[str, Schema], queue: str, task: str, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> None:
    """Raises UnknownTaskError or PayloadError; neither quotes a value. Without schemas nothing can be wrong."""
    if not schemas:
        return
    if task not in schemas:
        known = ", ".join(sorted(schemas))
        raise UnknownTaskError(
            f"queue {queue} has no task {task!r}; its workers know {known} (--unchecked takes it all the same)"
        )
    schema = schemas[task]
    if schema.get("type") != "object":  # positional-only parameters, or none described: the worker checks
        return
    _check(schema, task, named_arguments(schema, task, args, kwargs))


def named_arguments(schema: Schema, task: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Positional arguments by the names of their parameters, which the schema lists in order. Raises PayloadError."""
    names = list(schema.get("properties", {}))
    if len(args) > len(names):
        raise PayloadError(f"task {task}: takes at most {len(names)} arguments, got {len(args)}")
    given = dict(zip(names, args, strict=False))
    if twice := sorted(set(given) & set(kwargs)):
        raise PayloadError(f"task {task}: {twice[0]} is given twice, by position and by name")
    return {**given, **kwargs}


def _check(schema: Schema, task: str, arguments: Mapping[str, Any]) -> None:
    """In the operator's words, then for what those leave to the worker: patterns, formats."""
    from headrace.admin.schema_check import find_problem

    if (wrong := find_problem(schema, arguments)) is not None:
        raise PayloadError(f"task {task}: {wrong}")
    import fastjsonschema

    try:
        fastjsonschema.compile(dict(schema), use_default=False)(arguments)
    except fastjsonschema.JsonSchemaValueException as error:
        where = error.name or "data"
        place = where.removeprefix("data").lstrip(".") or "arguments"
        problem = error.message.removeprefix(where).strip()
        raise PayloadError(f"task {task}: {place}: {problem}") from None
    except fastjsonschema.JsonSchemaDefinitionException:
        return  # a schema beyond this validator: the worker checks
