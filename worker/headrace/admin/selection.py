"""Which dead letters a list, an export, a delete or a replay means. Pure data; refuses what could be a mistake."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import msgspec

from headrace.admin.filter_words import Field, Moment, Span, parse_field, parse_moment, parse_span
from headrace.errors import UsageError


@dataclass(frozen=True)
class LetterFilter:
    """Letters that fit all that is said; nothing said: all of them."""

    task: str | None = None
    reason: str | None = None
    """Exception class, as the facets list it."""
    since: Moment | None = None
    """Only letters that died then or later …"""
    older_than: Moment | None = None
    """… and before that."""
    attempts: Span | None = None
    """How many failed runs they were charged with."""
    where: tuple[Field, ...] = ()
    """Arguments they must have, all of them."""

    @property
    def scans(self) -> bool:
        """Whether letters must be looked at one by one: no index knows attempts and payloads."""
        return self.attempts is not None or bool(self.where)

    @property
    def words(self) -> tuple[str, ...]:
        """The filter in the words of an annotation, always in the same order; values of payloads included."""
        said = (
            *(("task", self.task), ("reason", self.reason), ("since", self.since)),
            *(("older-than", self.older_than), ("attempts", self.attempts), *(("where", one) for one in self.where)),
        )
        return tuple(f"{name}={value}" for name, value in said if value is not None)


EVERY_LETTER: Final = LetterFilter()


def letter_filter(
    *,
    task: str | None = None,
    reason: str | None = None,
    since: str | None = None,
    older_than: str | None = None,
    attempts: str | None = None,
    where: Iterable[str] = (),
    dashes: str = "",
) -> LetterFilter:
    """From the words of people. dashes: what stands before a word's name where they wrote it. Raises UsageError."""
    return LetterFilter(
        task=task,
        reason=reason,
        since=None if since is None else parse_moment(f"{dashes}since", since),
        older_than=None if older_than is None else parse_moment(f"{dashes}older-than", older_than),
        attempts=None if attempts is None else parse_span(f"{dashes}attempts", attempts),
        where=tuple(parse_field(f"{dashes}where", text) for text in where),
    )


@dataclass(frozen=True)
class ReplaySelection(LetterFilter):
    """Everything, given ids, or a filter: exactly one of the three. Raises UsageError otherwise."""

    everything: bool = False
    ids: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if sum((self.everything, bool(self.ids), bool(self.words))) != 1:
            raise UsageError(
                "choose dead letters by ids, or by task, reason, time, attempts or payload, or take all of them: "
                "one of the three"
            )

    @property
    def digest(self) -> str:
        """Equal for equal selections; a resumed request must be the request that was accepted."""
        said = [self.everything, sorted(self.ids), self.task, self.reason, None]
        said += [word for word in self.words if not word.startswith(("task=", "reason="))]
        return hashlib.sha256(msgspec.json.encode(said)).hexdigest()


def select(said: LetterFilter, *, everything: bool = False, ids: Iterable[str] = ()) -> ReplaySelection:
    """The letters of a filter, given ids, or all. Raises UsageError."""
    return ReplaySelection(**vars(said), everything=everything, ids=tuple(ids))
