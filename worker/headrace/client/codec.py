"""How arguments become bytes: msgpack (default) or JSON, by name in the envelope."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from headrace.errors import ConfigError, PayloadError

MAX_PAYLOAD = 256 * 1024
"""Bytes; the default limit of one job's encoded arguments."""


def _plain(value: Any) -> Any:
    """What msgspec does not know by itself: pydantic models, by their own dump."""
    dump = getattr(value, "model_dump", None)
    if callable(dump):
        return dump(mode="json")
    raise NotImplementedError(f"objects of type {type(value).__name__} can't be encoded")


@dataclass(frozen=True)
class Codec:
    """A named pair of functions."""

    name: str
    encode: Callable[[Any], bytes]
    decode: Callable[[bytes], Any]


_CODECS = {
    "msgpack": Codec("msgpack", msgspec.msgpack.Encoder(enc_hook=_plain).encode, msgspec.msgpack.Decoder().decode),
    "json": Codec("json", msgspec.json.Encoder(enc_hook=_plain).encode, msgspec.json.Decoder().decode),
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
    except (TypeError, NotImplementedError, ValueError, OverflowError, RecursionError) as error:
        raise PayloadError(f"task {task}: the arguments can't be encoded as {codec.name}: {error}") from error
    if len(payload) > limit:
        raise PayloadError(
            f"task {task}: the payload has {len(payload):,} bytes, the limit is {limit:,}; "
            "store large data elsewhere and pass a reference, or raise max_payload"
        )
    return payload


def decode_arguments(name: str, payload: bytes) -> tuple[Sequence[Any], Mapping[str, Any]]:
    """The reverse. Raises PayloadError."""
    try:
        args, kwargs = codec_named(name).decode(payload)
    except (msgspec.MsgspecError, ValueError, TypeError, ConfigError) as error:
        raise PayloadError(f"the payload can't be decoded as {name}: {error}") from error
    return args, kwargs
