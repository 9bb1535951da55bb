"""The words that narrow a choice of dead letters, the same on the command line and in an annotation: a time or an age,
a number of attempts, a field of the payload. Pure; what is wrong with a word is said without quoting a payload's value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from headrace.errors import UsageError

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_AGE: Final = r"([0-9]{1,6})([smhdw])"
_SPAN: Final = r"([0-9]{1,3})?(\.\.)?([0-9]{1,3})?"
"""Compiled by whom they are asked of: most lists have no filter."""
_SHOWN: Final = 40


@dataclass(frozen=True)
class Moment:
    """A point in time, on the Redis server's clock."""

    us: int
    """Unix µs, or an age in µs …"""
    ago: bool = False
    """… before now."""

    @property
    def argument(self) -> str:
        """As survey_dead.lua and accept_replay.lua take it."""
        return f"-{self.us}" if self.ago else str(self.us)

    def __str__(self) -> str:
        if self.ago:
            seconds = self.us // 1_000_000
            unit = next(unit for unit in reversed(_UNITS) if seconds % _UNITS[unit] == 0)
            return f"{seconds // _UNITS[unit]}{unit}"
        return datetime.fromtimestamp(self.us / 1_000_000, UTC).isoformat().replace("+00:00", "Z")


def parse_moment(word: str, text: str) -> Moment:
    """`90s`, `15m`, `2h`, `7d`, `1w` ago, or a time such as 2026-11-23T06:00:00Z (UTC unless it says otherwise).

    Raises UsageError that begins with `word`.
    """
    if age := re.fullmatch(_AGE, text):
        return Moment(int(age[1]) * _UNITS[age[2]] * 1_000_000, ago=True)
    try:
        at = datetime.fromisoformat(text)
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        us = round(at.timestamp() * 1_000_000)
    except (ValueError, OverflowError):
        us = -1
    if us < 0:
        raise UsageError(
            f"{word} must be an age such as 90s, 15m, 2h, 7d or 1w, or a time such as 2026-11-23T06:00:00Z, "
            f"got {text[:_SHOWN]!r}"
        )
    return Moment(us)


@dataclass(frozen=True)
class Span:
    """Whole numbers from `least` to `most`, both included; None: no bound."""

    least: int | None = None
    most: int | None = None

    def __contains__(self, number: int) -> bool:
        return (self.least is None or number >= self.least) and (self.most is None or number <= self.most)

    def __str__(self) -> str:
        if self.least == self.most:
            return str(self.least)
        return f"{'' if self.least is None else self.least}..{'' if self.most is None else self.most}"


def parse_span(word: str, text: str) -> Span:
    """`3`, `3..`, `..2` or `2..5`. Raises UsageError that begins with `word`."""
    found = re.fullmatch(_SPAN, text)
    least, dots, most = (found[1], found[2], found[3]) if found else (None, None, None)
    if dots is None and least is not None and most is None:
        return Span(int(least), int(least))
    if dots is None or (least is None and most is None) or (least and most and int(least) > int(most)):
        raise UsageError(
            f"{word} must be a number such as 3, or bounds such as 3.., ..2 or 2..5, got {text[:_SHOWN]!r}"
        )
    return Span(None if least is None else int(least), None if most is None else int(most))


@dataclass(frozen=True)
class Field:
    """An argument of a job, or what lies within it, that must have a value."""

    path: tuple[str, ...]
    """Name of the parameter, then names within it. A positional argument has its place, from 0, as a name, too."""
    text: str
    """The value, as JSON or as plain text."""

    def __str__(self) -> str:
        return f"{'.'.join(self.path)}={self.text}"

    def __repr__(self) -> str:
        return f"Field({'.'.join(self.path)}=***)"  # a payload's value is for no log

    def matches(self, arguments: Mapping[str, Any]) -> bool:
        """Whether the arguments, by name, have it."""
        value: Any = arguments
        for name in self.path:
            if not isinstance(value, Mapping) or name not in value:
                return False
            value = value[name]
        return value == self.text if isinstance(value, str) else _as_json(value) == _normal(self.text)


def parse_field(word: str, text: str) -> Field:
    """`to=ada`, `user.id=17`. Raises UsageError that begins with `word`."""
    path, equals, value = text.partition("=")
    names = tuple(name.strip() for name in path.split("."))
    if not equals or not all(names):
        raise UsageError(f"{word} must name a parameter and its value, as in {word}{_joint(word)}to=ada or user.id=17")
    return Field(names, value.strip())


def _joint(word: str) -> str:
    return " " if word.startswith("-") else "="


def _as_json(value: Any) -> bytes | None:
    try:
        return msgspec.json.encode(value, order="deterministic")
    except (TypeError, ValueError, RecursionError):
        return None


def _normal(text: str) -> bytes | None:
    try:
        return _as_json(msgspec.json.decode(text))
    except (msgspec.MsgspecError, RecursionError):
        return b""
