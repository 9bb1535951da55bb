"""The one argument of a handler whose jobs travel as protobuf: a message of the class that its annotation names.

Needs the extra `protobuf`; imported for such tasks only.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from headrace.client.arguments import Arguments, Checked
from headrace.errors import ConfigError, PayloadError

try:
    from google.protobuf.json_format import ParseDict, ParseError
    from google.protobuf.message import DecodeError, Message
except ImportError as missing:
    raise ConfigError("codec protobuf needs protobuf: pip install 'headrace[protobuf]'") from missing

_BY_NAME = (inspect.Parameter.KEYWORD_ONLY,)


class MessageArguments(Arguments):
    """Raises ConfigError for a handler that does not take exactly one message beside what is injected."""

    def __init__(self, task: str, handler: Callable[..., Any], injected: Collection[str] = ()) -> None:
        super().__init__(task, handler, injected)
        parameters = list(self._signature.parameters.values())
        kind = _annotated(handler, parameters[0].name) if len(parameters) == 1 else None
        if not (isinstance(kind, type) and issubclass(kind, Message)):
            raise ConfigError(
                f"task {task}: with codec protobuf the handler takes one argument, annotated with a message class"
            )
        self._parameter = parameters[0]
        self._class: Any = kind

    def check(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Checked:
        """One message, or what stands for it in Redis: its bytes, or from the command line its JSON form. Raises
        PayloadError, which never quotes a value."""
        name = self._parameter.name
        if len(args) + len(kwargs) != 1 or (kwargs and name not in kwargs):
            raise PayloadError(f"task {self._task}: takes one {self._class.DESCRIPTOR.full_name} as {name}")
        message = self._read(args[0] if args else kwargs[name])
        return ((), {name: message}) if self._parameter.kind in _BY_NAME else ((message,), {})

    def check_following(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """Always a ConfigError: a result is no message."""
        raise ConfigError(
            f"task {self._task}: with codec protobuf it can't take another step's result; use .si(message)"
        )

    def json_schema(self) -> dict[str, Any]:
        """`{}`: protobuf has a schema of its own."""
        return {}

    def _read(self, given: Any) -> Message:
        wanted = self._class.DESCRIPTOR.full_name
        try:
            match given:
                case Message() if isinstance(given, self._class):
                    return given
                case bytes():
                    return self._class.FromString(given)
                case dict() | str():  # some well-known types are text in JSON
                    return ParseDict(given, self._class())
        except (DecodeError, ParseError, TypeError, ValueError, AttributeError):
            raise PayloadError(f"task {self._task}: the payload is no {wanted}") from None
        raise PayloadError(f"task {self._task}: takes a {wanted}, got a {type(given).__name__}")


def _annotated(handler: Callable[..., Any], name: str) -> Any:
    try:
        return typing.get_type_hints(handler).get(name)
    except Exception:  # annotations run code of others
        return None
