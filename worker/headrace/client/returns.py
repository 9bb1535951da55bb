"""Reads a task's kept results: back from msgpack, and into what the handler's return annotation promises."""

from __future__ import annotations

import typing
from collections.abc import Callable
from functools import cached_property
from typing import Any

import msgspec

from headrace.errors import PayloadError

_decode = msgspec.msgpack.Decoder().decode


def decode_plain(result: bytes) -> Any:
    """The value in msgpack's own types. Raises PayloadError."""
    try:
        return _decode(result)
    except msgspec.MsgspecError as error:
        raise PayloadError(f"the kept result can't be decoded: {error}") from error


class Returns:
    """The results of one task."""

    def __init__(self, task: str, handler: Callable[..., Any]) -> None:
        self._task = task
        self._handler = handler

    def decode(self, result: bytes) -> Any:
        """The value, of the annotated type where pydantic can make one. Raises PayloadError, which never quotes it."""
        value = decode_plain(result)
        if self._convert is None or value is None:
            return value
        from pydantic import ValidationError

        try:
            return self._convert(value)
        except ValidationError as error:
            problem = error.errors(include_url=False, include_input=False, include_context=False)[0]["msg"]
            raise PayloadError(f"task {self._task}: the kept result is not what it returns: {problem}") from None

    @cached_property
    def _convert(self) -> Callable[[Any], Any] | None:
        try:
            returned = typing.get_type_hints(self._handler, include_extras=True).get("return")
        except Exception:  # annotations run code of others; without them the plain value serves
            return None
        if returned in (None, Any, type(None)):
            return None
        from pydantic import ConfigDict, TypeAdapter
        from pydantic.errors import PydanticUserError

        try:
            return TypeAdapter(returned, config=ConfigDict(arbitrary_types_allowed=True)).validate_python
        except PydanticUserError:
            try:  # a model brings its own configuration
                return TypeAdapter(returned).validate_python
            except PydanticUserError:
                return None
