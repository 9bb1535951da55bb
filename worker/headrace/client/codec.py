"""How arguments become bytes: msgpack (default), JSON, or one protobuf message, by name in the envelope."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from headrace.errors import ConfigError, PayloadError

MAX_PAYLOAD = 256 * 1024
"""Bytes; the default limit of one job's encoded arguments."""
UNENCODABLE: Final = (TypeError, NotImplementedError, ValueError, OverflowError, RecursionError)
"""What an encoder raises for a value that it has no bytes for."""


def plain_form(value: Any) -> Any:
    """What msgspec does not know by itself: pydantic models, by their own dump."""
    dump = getattr(value, "model_dump", None)
    if callable(dump):
        return dump(mode="json")
    raise NotImplementedError(f"objects of type {type(value).__name__} can't be encoded")


def checked_form(value: Any) -> Any:
    """The same for arguments that have been checked: a protobuf message by its bytes, which equal ones share."""
    if hasattr(value, "SerializeToString"):
        return value.SerializeToString(deterministic=True)
    return plain_form(value)


def _encode_json(value: Any) -> bytes:
    """Refuses bytes: as base64 they would come back as another value than was sent."""
    plain = msgspec.to_builtins(value, builtin_types=(bytes, bytearray, memoryview), enc_hook=plain_form)
    _refuse_bytes(plain)
    return _write_json(plain)


def _refuse_bytes(value: Any) -> None:
    match value:
        case bytes() | bytearray() | memoryview():
            raise TypeError("bytes have no form in JSON; use msgpack, or encode them yourself")
        case dict():
            for item in value.values():
                _refuse_bytes(item)
        case list() | tuple():
            for item in value:
                _refuse_bytes(item)
        case _:
            return


@dataclass(frozen=True)
class Codec:
    """A named pair of functions."""

    name: str
    encode: Callable[[Any], bytes]
    decode: Callable[[bytes], Any]


def _encode_message(value: tuple[Sequence[Any], Mapping[str, Any]]) -> bytes:
    """The message's own bytes and nothing around them, so that any language can make them."""
    messages = [*value[0], *value[1].values()]
    if len(messages) != 1 or not hasattr(messages[0], "SerializeToString"):
        raise TypeError("a task whose jobs travel as protobuf takes one message")
    encoded: bytes = messages[0].SerializeToString()
    return encoded


def _message_as_argument(payload: bytes) -> Any:
    """Of which class it is only the handler knows: client/messages.py reads it."""
    return [bytes(payload)], {}


_write_json = msgspec.json.Encoder().encode
_CODECS = {
    "msgpack": Codec("msgpack", msgspec.msgpack.Encoder(enc_hook=plain_form).encode, msgspec.msgpack.Decoder().decode),
    "protobuf": Codec("protobuf", _encode_message, _message_as_argument),
    "json": Codec("json", _encode_json, msgspec.json.Decoder().decode),
}


def codec_named(name: str) -> Codec:
    """Raises ConfigError for a name that nobody registered."""
    try:
        return _CODECS[name]
    except KeyError:
        raise ConfigError(f"unknown codec {name!r}; there are {', '.join(sorted(_CODECS))}") from None


def encode_arguments(codec: Codec, task: str, args: Sequence[Any], kwargs: Mapping[str, Any], limit: int) -> bytes:
    """The payload of a job. Raises PayloadError, which never quotes the arguments."""
    try:
        payload = codec.encode((args, kwargs))
    except UNENCODABLE as error:
        raise PayloadError(f"task {task}: the arguments can't be encoded as {codec.name}: {error}") from error
    if len(payload) > limit:
        raise _too_large(f"task {task}: the payload", len(payload), limit, "pass")
    return payload


def encode_result(task: str, value: Any, limit: int) -> bytes:
    """A handler's result as it is kept, in msgpack. Raises PayloadError, which never quotes it."""
    try:
        result = _CODECS["msgpack"].encode(value)
    except UNENCODABLE as error:
        raise PayloadError(f"task {task}: the handler's result can't be encoded: {error}") from error
    if len(result) > limit:
        raise _too_large(f"task {task}: the handler's result", len(result), limit, "return")
    return result


def _too_large(what: str, size: int, limit: int, hand_over: str) -> PayloadError:
    return PayloadError(
        f"{what} has {size:,} bytes, the limit is {limit:,}; "
        f"store large data elsewhere and {hand_over} a reference, or raise max_payload"
    )


def decode_arguments(name: str, payload: bytes) -> tuple[Sequence[Any], Mapping[str, Any]]:
    """The reverse. Raises PayloadError."""
    try:
        args, kwargs = (_CODECS.get(name) or codec_named(name)).decode(payload)
    except (msgspec.MsgspecError, ValueError, TypeError, RecursionError, ConfigError) as error:
        raise PayloadError(f"the payload can't be decoded as {name}: {error}") from error
    named = isinstance(kwargs, dict) and (not kwargs or all(isinstance(key, str) for key in kwargs))
    if not named or not isinstance(args, list):
        raise PayloadError("the payload is not a list of arguments and a map of named ones")
    return args, kwargs
