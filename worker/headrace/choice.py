"""A text that must be one of a few: its member, or one clear line that names them all. Knows nothing of who asks."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import TypeVar

from headrace.errors import ConfigError

E = TypeVar("E", bound=StrEnum)


def member_of(kind: type[E], value: E | str, what: str) -> E:
    """The member of `kind` that `value` is, or is the text of. Raises ConfigError, which begins with `what`."""
    try:
        return kind(value)
    except ValueError:
        raise ConfigError(f"{what} must be {listed(kind)}, got {value!r}") from None


def listed(names: Iterable[str]) -> str:
    """`a, b or c`."""
    *some, last = names
    return f"{', '.join(some)} or {last}" if some else last
