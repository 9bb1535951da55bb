"""What keeps a job from being enqueued twice: keys, and the fingerprint of a task's arguments. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from headrace.client.codec import UNENCODABLE, checked_form
from headrace.errors import ConfigError, ConflictError, PayloadError

MAX_KEY: Final = 512
"""Bytes of a key of the application's."""
UNIQUE_MS: Final = 24 * 3600 * 1000
"""How long a unique key holds, unless its job ends earlier or the enqueue says otherwise."""


_encode = msgspec.msgpack.Encoder(enc_hook=checked_form, order="deterministic").encode


def check_key(what: str, key: str) -> str:
    """Return `key`. Raises ConfigError."""
    if not isinstance(key, str) or not 0 < len(key.encode(errors="replace")) <= MAX_KEY or not _is_utf8(key):
        raise ConfigError(f"{what} must be a text of 1 to {MAX_KEY} bytes")
    return key


def _is_utf8(text: str) -> bool:
    """A text may hold half of a surrogate pair, which no encoding has."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def fingerprint(task: str, named: Mapping[str, Any]) -> str:
    """Equal for equal arguments of one task, however they were passed. Raises PayloadError."""
    try:
        encoded = _encode([task, named])
    except UNENCODABLE as error:
        raise PayloadError(f"task {task}: the arguments can't be compared: {error}") from error
    return hashlib.blake2b(encoded, digest_size=16).hexdigest()


def conflict(task: str, first: str) -> ConflictError:
    """The idempotency key belongs to job `first`, whose arguments are others."""
    return ConflictError(
        f"task {task}: the idempotency key belongs to job {first!r}, which has other arguments; nothing was enqueued",
        first,
    )
